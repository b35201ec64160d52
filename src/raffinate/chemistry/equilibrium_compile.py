"""How the kernels of contacts are compiled: the compiler's usual choices take several times longer.

The options are those of XLA on a processor; a release that does not know them gets none.
"""

from __future__ import annotations

from raffinate.numerics.jax_setup import jax


def _known(options: dict[str, bool | int]) -> dict[str, bool | int]:
    try:
        jax.jit(lambda value: value, compiler_options=options).lower(0.0).compile()
    except (RuntimeError, ValueError):
        return {}
    return options


MANY_CONTACTS = _known({"xla_cpu_use_fusion_emitters": False})
"""Options for `jax.jit` of a batch: the other emitters are no faster here."""

FEW_CONTACTS = _known({**MANY_CONTACTS, "xla_backend_optimization_level": 0})
"""Options for a single contact: what it then costs to run is less than the call."""
