"""How long a test waits for what must come."""

from __future__ import annotations

PATIENCE = 300.0
"""Wall time, [s]. It only tells what never comes from what comes late: a machine that does other
work, or stands still for a while, must not make a test fail."""
