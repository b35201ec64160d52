"""Elements that a spectrum shows and nobody asked for: fitted as well, and said.

Left out, their lines would be taken for those of their neighbours: iron for samarium, an unnamed
rare earth for the ones named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError
from raffinate.instruments.calibrate_result import Calibration
from raffinate.instruments.quantify import Quantifier, build_quantifier, quantify, timed
from raffinate.instruments.quantify_flags import UnknownLine, line_significance, unknown_lines
from raffinate.instruments.quantify_result import Quantification
from raffinate.instruments.spectrum import Flag, Spectrum
from raffinate.instruments.xrf_atomic import atomic_mass
from raffinate.instruments.xrf_instrument import XrfInstrument

Array = NDArray[np.float64]

STRONG = 8.0
"""Standard deviations from which a line is looked into, [-]. Assumed, as are those below."""
ABOVE_MISFIT = 10.0
"""It also stands out of what the fit leaves everywhere: this many times the median, [-]."""
LEFT = 0.2
"""Of the line, what an element that explains it may leave of it, [-]."""
MOST_ADDED = 6
MOST_TRIED = 12


def quantify_with_unasked(
    spectrum: Spectrum,
    instrument: XrfInstrument,
    metals: Sequence[str],
    matrix: str = "chloride",
    calibration: Calibration | None = None,
) -> Quantification:
    """Return the concentrations a spectrum speaks for, of elements not asked for as well.

    An element is added where a line stays unexplained and the fit with it explains the line; the
    flag `element_added` names it.

    Args:
        spectrum: As read, checked.
        instrument: The analyzer.
        metals: Asked for.
        matrix: As for `build_quantifier`.
        calibration: Of this very analyzer.

    Raises:
        DataError: The spectrum is not this instrument's, or has no calibration or time.
        ConvergenceError: No concentrations explain it; names its strongest unexplained lines.
        SpecificationError: An element or the matrix is unknown.
    """
    quantifier = build_quantifier(instrument, metals, matrix, calibration)
    try:
        result = quantify(spectrum, quantifier)
    except ConvergenceError as error:
        raise _told(error, spectrum, quantifier) from None
    added: list[str] = []
    refused: set[str] = set()
    for _ in range(MOST_TRIED):
        line = next(_looked_into(result, refused), None)
        if line is None or len(added) == MOST_ADDED:
            break
        symbol = next(name for name in line.candidates if name not in refused)
        more = _with(symbol, spectrum, result, matrix, calibration)
        if more is not None and _explains(more, line):
            added.append(symbol)
            result = more
            # What did not explain its line beside another unknown one may do so now.
            refused.clear()
        else:
            refused.add(symbol)
    flags = [_added_flag(result, symbol) for symbol in added]
    return replace(result, flags=(*result.flags, *flags))


def _looked_into(result: Quantification, refused: set[str]) -> Iterator[UnknownLine]:
    counts = _counts(result)
    significance = line_significance(result.model, counts, result.fit.expected.counts)
    least = max(STRONG, ABOVE_MISFIT * float(np.median(np.abs(significance))))
    for line in unknown_lines(result.model, significance):
        if line.significance > least and set(line.candidates) - refused:
            yield line


def _counts(result: Quantification) -> Array:
    return np.maximum(result.spectrum.counts[result.model.channels], 0.0)


def _with(
    symbol: str,
    spectrum: Spectrum,
    before: Quantification,
    matrix: str,
    calibration: Calibration | None,
) -> Quantification | None:
    """Return the fit with one element more; None where it does not end."""
    metals = (*before.metals, symbol)
    quantifier = build_quantifier(before.model.instrument, metals, matrix, calibration)
    # Not from where the fit without it ended: that has bent everything else to its line.
    try:
        return quantify(spectrum, quantifier)
    except ConvergenceError:
        return None


def _explains(more: Quantification, line: UnknownLine) -> bool:
    """Return whether the element added last is there and its line is gone."""
    if more.concentration[-1] < more.detection[-1]:
        return False
    significance = line_significance(more.model, _counts(more), more.fit.expected.counts)
    place = int(np.argmin(np.abs(more.energy - line.energy)))
    return bool(abs(significance[place]) < LEFT * line.significance)


def _added_flag(result: Quantification, symbol: str) -> Flag:
    place = result.metals.index(symbol)
    mass = atomic_mass(symbol)
    amount, sigma = result.concentration[place] * mass, result.sigma[place] * mass
    return Flag(
        name="element_added",
        text=f"{symbol} was not asked for and is there, {amount:.3g} ± {sigma:.1g} g/L: it was "
        f"fitted with the others; name it with the elements",
    )


def _told(error: ConvergenceError, spectrum: Spectrum, quantifier: Quantifier) -> ConvergenceError:
    """Return an error that also says what speaks against the spectrum or the element list."""
    model = quantifier.model
    spectrum, live_time = timed(spectrum)
    counts = np.maximum(spectrum.counts[model.channels], 0.0)
    expected = quantifier.nearest(counts, live_time).expected.counts
    expected = expected * (np.sum(counts) / np.sum(expected))
    lines = unknown_lines(model, line_significance(model, counts, expected))
    doubts = [f"{flag.name}: {flag.text}" for flag in spectrum.flags]
    doubts += [str(line) for line in lines if line.candidates]
    said = f" What stands out: {'; '.join(doubts)}." if doubts else ""
    return ConvergenceError(
        "no concentrations of these elements in this matrix explain the spectrum.",
        history=error.history,
        where=spectrum.where or "XRF fit",
        mend=f"Check elements, matrix and instrument.{said}",
    )
