"""What a section may state and not every calculation carries, refused by name where it is not."""

from __future__ import annotations

from raffinate.errors import SpecificationError
from raffinate.plant.model import Circuit


def refuse_organic_feeds(circuit: Circuit, where: str) -> None:
    """Raise if organic is fed between the ends, for calculations that do not carry it.

    Args:
        circuit: The circuit.
        where: What does not carry it, such as "economics".

    Raises:
        SpecificationError: Names the section and the feed.
    """
    for section in circuit.sections:
        if section.organic is not None:
            raise SpecificationError(
                f"section {section.name} is fed organic {section.organic.name}.",
                where=where,
                allowed="organic fed to stage 1 only here; solve and simulate carry more",
                mend="Leave the organic feed out.",
            )


def refuse_entrainment(circuit: Circuit, where: str) -> None:
    """Raise if a section entrains, for calculations that do not carry it.

    Args:
        circuit: The circuit.
        where: What does not carry it, such as "economics".

    Raises:
        SpecificationError: Names the section and its shares.
    """
    for section in circuit.sections:
        if section.entrained_organic > 0.0 or section.entrained_aqueous > 0.0:
            raise SpecificationError(
                f"section {section.name} entrains {section.entrained_organic:g} of its organic "
                f"and {section.entrained_aqueous:g} of its aqueous.",
                where=where,
                allowed="0 of both here; solve and simulate carry entrainment",
                mend="Leave entrained_organic and entrained_aqueous out.",
            )
