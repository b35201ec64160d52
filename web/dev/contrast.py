"""Contrast of the page's colours in both themes, against WCAG 2.2 level AA; exits 1 below it.

Run ``python web/dev/contrast.py``. Text needs 4.5 to 1, lines and symbols 3 to 1.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CSS = Path(__file__).parents[1] / "src" / "app.css"
TEXT, GRAPHICS = 4.5, 3.0
SERIES = [*(f"element-{i}" for i in range(1, 7)), *(f"lever-{i}" for i in range(1, 5))]
PAIRS = [
    *((fore, back, TEXT) for fore in ("text", "muted") for back in ("bg", "panel", "inset")),
    *((fore, back, TEXT) for fore in ("high", "medium", "low") for back in ("panel", "inset")),
    *(("panel", back, TEXT) for back in ("high", "medium", "low")),
    ("on-accent", "accent", TEXT),
    ("on-high", "high", TEXT),
    *(("accent", back, GRAPHICS) for back in ("bg", "panel", "inset")),
    *((fore, "panel", GRAPHICS) for fore in SERIES),
]
FADED = [(fore, "panel", TEXT) for fore in ("text", "muted", "high", "medium", "low")]


def themes() -> dict[str, dict[str, str]]:
    """Return the colours of each theme by name."""
    css = CSS.read_text(encoding="utf-8")
    blocks = re.findall(r":root(\[data-theme=\"dark\"\])? \{(.*?)\n\}", css, re.S)
    return {
        "dark" if dark else "light": dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for dark, block in blocks
    }


def channels(colour: str) -> list[float]:
    """Return red, green and blue, 0 to 1."""
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def luminance(rgb: list[float]) -> float:
    """Return relative luminance (WCAG 2.2, definition)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(fore: str, back: str, opacity: float = 1.0) -> float:
    """Return the ratio of two colours, the first drawn over the second at an opacity."""
    below = channels(back)
    over = [opacity * f + (1 - opacity) * b for f, b in zip(channels(fore), below, strict=True)]
    light, dark = sorted((luminance(over), luminance(below)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def main() -> int:
    """Print every ratio; return 1 where one is too low."""
    app = (CSS.parent / "App.svelte").read_text(encoding="utf-8")
    found = re.search(r"\.stale :global\(\.live\) \{[^}]*opacity: ([\d.]+)", app)
    faded = float(found.group(1)) if found else 1.0
    worst = 0
    for theme, colour in themes().items():
        cases = [(*pair, 1.0) for pair in PAIRS] + [(*pair, faded) for pair in FADED]
        for fore, back, least, opacity in cases:
            ratio = contrast(colour[fore], colour[back], opacity)
            worst |= ratio < least
            mark = "ok" if ratio >= least else "TOO LOW"
            at = f" at {opacity:g}" if opacity < 1 else ""
            print(f"{theme:5} {fore + at:16} on {back:7} {ratio:5.2f} (at least {least:g}) {mark}")
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
