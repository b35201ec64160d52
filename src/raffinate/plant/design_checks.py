"""What makes a design impossible before any plant is solved, and the least change that mends it."""

from __future__ import annotations

from raffinate.errors import SpecificationError
from raffinate.plant.arrays import MIXER_RATIO
from raffinate.plant.design_file import DesignSpecification


def loaded_strength(specification: DesignSpecification) -> float:
    """Return the rare earths that saponified organic takes up, [mol/L]."""
    return specification.saponification_degree * specification.extractant_mol_per_L / 3.0


def check_strip_acid(specification: DesignSpecification) -> None:
    """Raise if the strip acid brings fewer protons than the loaded organic holds charges.

    Raises:
        SpecificationError: With the least acid, and the largest phase ratio, that strip it all.
    """
    spec = specification
    needed = 3.0 * loaded_strength(spec)
    brought = spec.hcl_mol_per_L / spec.organic_to_acid_ratio
    if not brought > needed:
        raise SpecificationError(
            f"acid of {spec.hcl_mol_per_L:g} mol/L at {spec.organic_to_acid_ratio:g} volumes of "
            f"organic brings {brought:.4g} mol of protons per litre of an organic that binds "
            f"{needed:.4g}.",
            where=f"{spec.name}: acid",
            allowed="more protons than bound charges, or nothing is stripped and no reflux flows",
            mend=f"Take hcl_mol_per_L above {needed * spec.organic_to_acid_ratio:.4g}, or "
            f"organic_to_acid_ratio below {spec.hcl_mol_per_L / needed:.4g}.",
        )


def check_phase_ratio(
    specification: DesignSpecification,
    extraction_amount: float,
    scrub_amount: float,
    drawn_amount: float = 0.0,
) -> None:
    """Raise if a section carries too much aqueous for its organic to be dispersed with.

    Too little aqueous is made up by the internal recycle; too much has no such cure.

    Args:
        specification: The design.
        extraction_amount: S, [mol per mol of feed].
        scrub_amount: W, [mol per mol of feed].
        drawn_amount: Drawn from the scrub section by a third outlet, [mol per mol of feed].

    Raises:
        SpecificationError: With the strength of feed, or the phase ratio of the strip, that would
            just do.
    """
    spec, least = specification, MIXER_RATIO[0]
    organic = extraction_amount * spec.total_mol_per_L / loaded_strength(spec)
    # Volumes per volume of feed; all acid of the strip liquor ends as metal in the scrub section.
    scrub = 3.0 * spec.total_mol_per_L * (scrub_amount - drawn_amount) / spec.hcl_mol_per_L
    ratio = organic / (1.0 + scrub)
    if spec.organic_to_acid_ratio < least:
        raise SpecificationError(
            f"O/A in the strip is {spec.organic_to_acid_ratio:g}.",
            where=f"{spec.name}: acid",
            allowed=f"{least:.3g} or more, the range in which a mixer disperses",
            mend=f"Take organic_to_acid_ratio {least:.3g} or more.",
        )
    if ratio < least:
        per_strength = organic / spec.total_mol_per_L
        strength = least / (per_strength - least * scrub / spec.total_mol_per_L)
        raise SpecificationError(
            f"O/A in extraction is {ratio:.3g}: {organic:.3g} volumes of organic meet "
            f"{1.0 + scrub:.3g} of aqueous per volume of feed.",
            where=f"{spec.name}: feed",
            allowed=f"{least:.3g} or more, the range in which a mixer disperses",
            mend=f"Concentrate the feed to {strength:.4g} mol/L, now {spec.total_mol_per_L:g}, or "
            f"take {spec.extractant_mol_per_L * ratio / least:.4g} mol/L of "
            f"extractant, now {spec.extractant_mol_per_L:g}.",
        )
