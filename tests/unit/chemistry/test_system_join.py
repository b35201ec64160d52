from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raffinate.chemistry.system_file import load_system, parse_system, write_system
from raffinate.chemistry.system_join import join_systems
from raffinate.errors import SpecificationError

RARE_EARTHS = load_system("p507_hcl").subset(("Ce", "Nd"))
IMPURITIES = load_system("p507_impurities")


def test_joined_system_has_the_elements_and_constants_of_both() -> None:
    joined = join_systems(RARE_EARTHS, IMPURITIES)
    assert joined.elements == ("Ce", "Nd", "Al", "Th")
    assert joined.name == RARE_EARTHS.name
    assert joined.charge.tolist() == [3.0, 3.0, 3.0, 4.0]
    np.testing.assert_array_equal(
        joined.distribution_ratio(50.0, 400.0),
        [*RARE_EARTHS.distribution_ratio(50.0, 400.0), *IMPURITIES.distribution_ratio(50.0, 400.0)],
    )
    np.testing.assert_array_equal(joined.log10_covariance[:2, :2], RARE_EARTHS.log10_covariance)
    assert not joined.log10_covariance[:2, 2:].any()
    assert set(IMPURITIES.sources) <= {*joined.sources, IMPURITIES.saponification_source}
    assert write_system(parse_system(write_system(joined))) == write_system(joined)


def test_what_was_missing_and_is_joined_is_no_longer_missing() -> None:
    base = replace(RARE_EARTHS, missing=(("Th", "elsewhere"), ("U", "nowhere")))
    assert join_systems(base, IMPURITIES).missing == (("U", "nowhere"),)


def test_impurities_join_one_after_the_other() -> None:
    apart = join_systems(RARE_EARTHS, IMPURITIES.subset(("Al",)), IMPURITIES.subset(("Th",)))
    assert apart.elements == join_systems(RARE_EARTHS, IMPURITIES).elements


def test_another_scale_of_activities_is_told() -> None:
    joined = join_systems(replace(RARE_EARTHS, activity="pitzer"), IMPURITIES)
    assert joined.activity == "pitzer"
    assert "Al, Th: constants found with ideal activities." in joined.validity
    same = join_systems(replace(RARE_EARTHS, activity="ideal"), IMPURITIES)
    assert not any("activities." in sentence for sentence in same.validity[-1:])


def test_systems_of_another_extractant_or_with_the_same_element_are_refused() -> None:
    with pytest.raises(SpecificationError, match="differ in extractant"):
        join_systems(RARE_EARTHS, load_system("cyanex272"))
    with pytest.raises(SpecificationError, match="medium: chloride against nitrate"):
        join_systems(RARE_EARTHS, load_system("pc88a_nitrate"))
    with pytest.raises(SpecificationError, match="both p507_hcl and p507_hcl have Nd"):
        join_systems(RARE_EARTHS, RARE_EARTHS.subset(("Nd",)))
