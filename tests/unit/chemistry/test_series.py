from __future__ import annotations

import numpy as np
import pytest

from raffinate.chemistry.series import interpolate_series, leave_one_out
from raffinate.chemistry.system import ApparentSlope, ExtractionSystem
from raffinate.errors import SpecificationError
from raffinate.sources import Source

MEASURED = Source(title="Ours", reference="notebook 7")
PLACE = {"La": 57, "Nd": 60, "Sm": 62, "Gd": 64, "Dy": 66}


def line(bend: float = 0.0) -> ExtractionSystem:
    """Return a system whose log₁₀ K is a straight line in Z, bent up at Gd by `bend`."""
    constants = np.array([0.4 * z - 25.0 for z in PLACE.values()])
    constants[3] += bend
    return ExtractionSystem(
        name="line",
        title="Five lanthanides and Y",
        extractant="HA",
        elements=(*PLACE, "Y"),
        log10_extraction_constant=np.array([*constants, 3.0]),
        log10_covariance=0.01 * np.eye(6) + 0.02,
        constant_sources=(MEASURED,) * 6,
        missing=(("Pr", "not measured"), ("Lu", "not measured")),
    )


def test_a_straight_line_is_filled_exactly() -> None:
    filled = interpolate_series(line(), ("Pr", "Ce", "Tb"))
    assert filled.elements == (*PLACE, "Y", "Pr", "Ce", "Tb")
    assert filled.log10_extraction_constant[-3:] == pytest.approx(
        [0.4 * z - 25.0 for z in (59, 58, 65)]
    )
    assert filled.interpolated == ("Pr", "Ce", "Tb")
    assert filled.missing == (("Lu", "not measured"),)
    assert leave_one_out(line()) == pytest.approx(0.0, abs=1e-12)


def test_its_error_is_that_of_the_line_and_of_the_elements_it_misses() -> None:
    bent = line(bend=0.3)
    # Sm and Dy's neighbours miss by half the bend, Gd by all of it; Nd lies on the line.
    miss = np.sqrt((0.15**2 + 0.3**2) / 3.0)
    assert leave_one_out(bent) == pytest.approx(miss)
    filled = interpolate_series(bent, ("Tb",))
    # Tb lies midway between Gd and Dy: variance of a mean of two with common part 0.02.
    assert filled.log10_covariance[-1, -1] == pytest.approx(0.005 + 0.02 + miss**2)
    assert filled.log10_covariance[-1, 3] == pytest.approx(0.025)
    assert filled.log10_covariance[-1, 0] == pytest.approx(0.02)


def test_interpolated_constants_are_no_neighbours() -> None:
    twice = interpolate_series(interpolate_series(line(bend=0.3), ("Eu",)), ("Tb",))
    once = interpolate_series(line(bend=0.3), ("Tb",))
    assert twice.log10_extraction_constant[-1] == once.log10_extraction_constant[-1]
    assert leave_one_out(twice) == leave_one_out(once)


@pytest.mark.parametrize(
    ("element", "complaint"),
    [
        ("Lu", "nothing is extrapolated"),
        ("Nd", "no lanthanide that the system lacks"),
        ("Sc", "no lanthanide"),
        ("Fe", "no lanthanide"),
        ("Xx", "no lanthanide"),
    ],
)
def test_what_cannot_be_interpolated_is_refused(element: str, complaint: str) -> None:
    with pytest.raises(SpecificationError, match=complaint):
        interpolate_series(line(), (element,))


def test_two_measured_lanthanides_are_too_few() -> None:
    with pytest.raises(SpecificationError, match="at least 3"):
        interpolate_series(line().subset(("La", "Nd", "Y")), ("Pr",))


def test_neighbours_that_follow_different_laws_are_refused_and_equal_ones_passed_on() -> None:
    def sloped(elements: tuple[str, ...]) -> ExtractionSystem:
        system = line()
        return ExtractionSystem(
            name=system.name,
            title=system.title,
            extractant=system.extractant,
            elements=system.elements,
            log10_extraction_constant=system.log10_extraction_constant,
            log10_covariance=system.log10_covariance,
            constant_sources=system.constant_sources,
            apparent=tuple(
                ApparentSlope(element=each, slope=2.5, extractant_slope=2.0, source=MEASURED)
                for each in elements
            ),
        )

    with pytest.raises(SpecificationError, match="depend differently"):
        interpolate_series(sloped(("La",)), ("Pr",))
    filled = interpolate_series(sloped(("La", "Nd")), ("Pr",))
    assert filled.apparent[-1].element == "Pr"
    assert filled.apparent[-1].extractant_slope == 2.0
