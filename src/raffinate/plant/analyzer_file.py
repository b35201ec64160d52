"""The analyzer block of a plant file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from raffinate.errors import DataError, SpecificationError, nearest_name
from raffinate.plant.analyzer_plan import AnalyzerPlan, CheckPlan, Choice
from raffinate.units import HOUR, PER_LITRE
from raffinate.yaml_files import StrictEntry

Model = Literal["chain", "statistical"]

MODEL_VARIABLE = "RAFFINATE_ANALYZER"
"""Environment variable that stands in for `analyzer.model` of every plant file that is read:
`statistical` makes a long run of a plant with a chain quick."""

Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]


class SampleLineFile(StrictEntry):
    """The line that all samples share, and the cell."""

    flow_L_per_min: Positive
    line_L: NotNegative
    cell_L: Positive
    source: str


class CheckFile(StrictEntry):
    """Blank and standard."""

    blank_every_h: Positive
    standard_every_h: Positive
    standard_mol_per_L: dict[str, NotNegative]
    acid_mol_per_L: NotNegative
    certificate_relative_sd: NotNegative
    count_s: Positive
    purge_s: NotNegative
    repeats: Annotated[int, Field(ge=1, le=20)] = 3
    source: str


class NextStreamFile(StrictEntry):
    """Who chooses the next stream."""

    by: Choice
    longest_interval_min: Positive
    shortest_interval_min: NotNegative = 0.0


class AnalyzerFile(StrictEntry):
    """The block whole."""

    monitored_stages: list[Annotated[int, Field(ge=1)]]
    count_s: Positive
    purge_s: NotNegative
    model: Model = "statistical"
    sample_line: SampleLineFile | None = None
    checks: CheckFile | None = None
    laboratory_bias: bool | None = None
    next_stream: NextStreamFile | None = None

    def named_sources(self) -> dict[str, str]:
        """Return the sources it names, by place in the plant file."""
        parts = {"sample_line": self.sample_line, "checks": self.checks}
        return {f"analyzer.{name}.source": part.source for name, part in parts.items() if part}


def analyzer_plan(read: AnalyzerFile, elements: Sequence[str]) -> AnalyzerPlan:
    """Return the plan of a block that `check_analyzer` has found sound.

    Args:
        read: The block.
        elements: Of the plant; they fix the element axis.

    Raises:
        SpecificationError: The environment variable `MODEL_VARIABLE` names no model.
    """
    plan = AnalyzerPlan(
        monitored_stages=tuple(stage - 1 for stage in read.monitored_stages),
        count_time=read.count_s,
        purge_time=read.purge_s,
        model=_model(read),
        checks=None if read.checks is None else _check_plan(read.checks, elements),
        laboratory_bias=read.laboratory_bias,
    )
    line, chosen = read.sample_line, read.next_stream
    if line is not None:
        litre = 1e-3
        plan = replace(
            plan,
            sample_flow=line.flow_L_per_min * litre / 60.0,
            line_volume=line.line_L * litre,
            cell_volume=line.cell_L * litre,
        )
    if chosen is not None:
        plan = replace(
            plan,
            choice=chosen.by,
            longest_interval=60.0 * chosen.longest_interval_min,
            shortest_interval=60.0 * chosen.shortest_interval_min,
        )
    return plan


def _model(read: AnalyzerFile) -> Model:
    asked = os.environ.get(MODEL_VARIABLE, "")
    models: tuple[Model, ...] = ("chain", "statistical")
    if asked and asked not in models:
        raise SpecificationError(
            f"the model of the analyzer is {asked!r}.",
            where=MODEL_VARIABLE,
            allowed=", ".join(models),
            mend=nearest_name(asked, models),
        )
    return next((each for each in models if each == asked), read.model)


def _check_plan(read: CheckFile, elements: Sequence[str]) -> CheckPlan:
    return CheckPlan(
        blank_interval=read.blank_every_h * HOUR,
        standard_interval=read.standard_every_h * HOUR,
        standard=tuple(PER_LITRE * read.standard_mol_per_L.get(each, 0.0) for each in elements),
        acid=PER_LITRE * read.acid_mol_per_L,
        relative_sd=read.certificate_relative_sd,
        count_time=read.count_s,
        purge_time=read.purge_s,
        repeats=read.repeats,
    )


def check_analyzer(
    read: AnalyzerFile, *, stages: int, elements: Sequence[str], products: int, where: str
) -> None:
    """Refuse a block that cannot be run.

    Args:
        read: The block.
        stages: Of the plant.
        elements: Of the plant.
        products: Outlets that are sampled beside the stages.
        where: Name of the file, for errors.

    Raises:
        DataError: A stage is not there, a purge does not reach the cell, a standard holds what
            the plant does not, or the analyzer cannot do all that is asked of it.
    """
    for stage in read.monitored_stages:
        if stage > stages:
            raise DataError(
                f"stage {stage} is monitored.",
                where=f"{where}: analyzer.monitored_stages",
                allowed=f"1 to {stages}",
            )
    _check_purge(read, where)
    _check_standard(read, elements, where)
    _check_load(read, products, where)


def _check_purge(read: AnalyzerFile, where: str) -> None:
    line = read.sample_line
    dead_time = 0.0 if line is None else 60.0 * line.line_L / line.flow_L_per_min
    purges = {"analyzer.purge_s": read.purge_s}
    if read.checks is not None:
        purges["analyzer.checks.purge_s"] = read.checks.purge_s
    for place, purge in purges.items():
        if line is not None and purge <= dead_time:
            raise DataError(
                f"a purge of {purge:g} s does not reach the cell.",
                where=f"{where}: {place}",
                allowed=f"above {dead_time:g} s, which line_L takes at flow_L_per_min",
            )


def _check_standard(read: AnalyzerFile, elements: Sequence[str], where: str) -> None:
    if read.checks is None:
        return
    held = read.checks.standard_mol_per_L
    for symbol in held:
        if symbol not in elements:
            raise DataError(
                f"the standard holds {symbol!r}, which the plant does not.",
                where=f"{where}: analyzer.checks.standard_mol_per_L",
                mend=nearest_name(symbol, tuple(elements)),
            )
    if not any(amount > 0.0 for amount in held.values()):
        raise DataError(
            "the standard holds nothing.",
            where=f"{where}: analyzer.checks.standard_mol_per_L",
            allowed=f"at least one of {', '.join(elements)}",
        )


def _check_load(read: AnalyzerFile, products: int, where: str) -> None:
    """Refuse more than the analyzer can do; a fixed rota is as slow as it has to be."""
    if read.checks is None and read.next_stream is None:
        return
    longest = HOUR if read.next_stream is None else 60.0 * read.next_stream.longest_interval_min
    load = (len(read.monitored_stages) + products) * (read.count_s + read.purge_s) / longest
    if read.checks is not None:
        each = read.checks.count_s + read.checks.purge_s
        hours = (read.checks.blank_every_h, read.checks.standard_every_h)
        load += sum(each / (every * HOUR) for every in hours)
    if load > 1.0:
        raise DataError(
            f"the analyzer would have to measure for {load:.3g} s in every second.",
            where=f"{where}: analyzer",
            allowed="1 at most",
            mend="Lengthen next_stream.longest_interval_min, or shorten count_s or purge_s.",
        )
    chosen = read.next_stream
    if chosen is not None and chosen.shortest_interval_min >= chosen.longest_interval_min:
        raise DataError(
            f"shortest_interval_min is {chosen.shortest_interval_min:g}.",
            where=f"{where}: analyzer.next_stream",
            allowed=f"below longest_interval_min, {chosen.longest_interval_min:g}",
        )
