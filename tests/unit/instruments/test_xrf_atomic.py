import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_atomic import (
    SHELLS,
    AtomicAdjustment,
    atom,
    atomic_number,
    attenuation,
    coherent_differential,
    compton_differential,
    compton_profile,
    group_of,
    photoelectric,
    scattering,
)


@pytest.mark.parametrize("symbol", ["Na", "Fe", "Sn", "Nd", "W", "U"])
def test_shares_of_a_shell_sum_to_one_and_lines_lie_below_their_edge(symbol):
    one = atom(symbol)
    for shell in np.unique(one.line_shell):
        own = one.line_shell == shell
        assert np.sum(one.line_rate[own]) == pytest.approx(1.0, abs=1e-12)
        assert np.all(one.line_energy[own] <= one.edge[shell])


def test_every_element_from_sodium_to_uranium_has_a_k_line():
    import xraylib

    for number in range(11, 93):
        one = atom(xraylib.AtomicNumberToSymbol(number))
        assert np.any(one.line_shell == 0)
        assert np.all(one.line_energy > 0.0)


def test_cascade_agrees_with_the_tables_own_shell_production():
    import xraylib

    one = atom("Nd")
    ours = one.shell_production([45.0e3, 20.0e3, 6.5e3])
    for place in range(len(SHELLS)):
        for column, kev in enumerate((45.0, 20.0, 6.5)):
            try:
                theirs = xraylib.CS_FluorShell_Kissel_Cascade(60, place, kev) * 0.1
            except ValueError:
                theirs = 0.0
            assert ours[place, column] == pytest.approx(theirs, rel=1e-6, abs=1e-12)


def test_attenuation_is_absorption_plus_scattering_and_jumps_at_the_edge():
    below, above = attenuation(["Nd"], [6200.0, 6220.0])[0]
    assert above > 2.0 * below
    whole = attenuation(["O", "Nd"], [5000.0, 20000.0])
    parts = photoelectric(["O", "Nd"], [5000.0, 20000.0]) + scattering(
        ["O", "Nd"], [5000.0, 20000.0]
    )
    assert whole == pytest.approx(parts)


def test_differential_scattering_integrates_to_the_whole():
    angles = np.linspace(1e-4, np.pi, 400)
    into = np.array(
        [
            (coherent_differential(["O"], [15e3], a) + compton_differential(["O"], [15e3], a))[0, 0]
            for a in angles
        ]
    )
    total = np.trapezoid(into * 2.0 * np.pi * np.sin(angles), angles)
    assert total == pytest.approx(scattering(["O"], [15e3])[0, 0], rel=5e-3)


def test_compton_profile_counts_the_electrons_and_spares_the_bound_ones():
    momentum = np.linspace(-60.0, 60.0, 6001)
    free = compton_profile("O", momentum, np.full_like(momentum, 1e4))
    assert np.trapezoid(free, momentum) == pytest.approx(8.0, rel=0.01)
    bound = compton_profile("O", momentum, np.full_like(momentum, 100.0))
    assert np.trapezoid(bound, momentum) == pytest.approx(6.0, rel=0.01)


def test_an_adjusted_yield_scales_one_shell_and_leaves_other_elements_alone():
    change = AtomicAdjustment(fluorescence_yield=(("Nd", "L3", 1.1),))
    plain, changed = atom("Nd"), atom("Nd", change.of("Nd"))
    before, after = (one.shell_production([20e3])[:4, 0] for one in (plain, changed))
    assert after == pytest.approx(before * [1.0, 1.0, 1.0, 1.1])
    assert change.of("Pr") == AtomicAdjustment()


def test_an_adjusted_rate_keeps_the_shell_and_a_transfer_moves_vacancies():
    rate = AtomicAdjustment(radiative_rate=(("Nd", "L3M5", 1.2),))
    changed = atom("Nd", rate)
    own = changed.line_shell == SHELLS.index("L3")
    assert np.sum(changed.line_rate[own]) == pytest.approx(1.0)
    transfer = AtomicAdjustment(coster_kronig=(("Nd", "L1-L3", 1.2),))
    more = atom("Nd", transfer).shell_production([20e3])[3, 0]
    assert more > atom("Nd").shell_production([20e3])[3, 0]


def test_unknown_names_are_refused_with_what_is_allowed():
    for wrong in ("Xx", "", "nd", "Np"):
        with pytest.raises(SpecificationError, match="no chemical element"):
            atomic_number(wrong)
    with pytest.raises(SpecificationError, match="no shell"):
        atom("Nd", AtomicAdjustment(fluorescence_yield=(("Nd", "N9", 1.0),)))
    with pytest.raises(SpecificationError, match="no line"):
        atom("Nd", AtomicAdjustment(radiative_rate=(("Nd", "L3Z1", 1.0),)))
    assert [group_of(shell) for shell in ("K", "L2", "M4")] == ["K", "L2", "M"]


def test_natural_widths_are_a_few_electronvolts():
    one = atom("Nd")
    width = dict(zip(one.line_name, one.line_width, strict=True))
    assert 3.0 < width["L3M5"] < 6.0
    assert width["KL3"] > width["L3M5"]
    assert np.all(one.line_width >= 0.0)
