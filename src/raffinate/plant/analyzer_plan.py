"""Where a plant's analyzer looks, how it is checked, and who chooses what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raffinate.units import HOUR

Choice = Literal["rota", "worth"]
"""rota: streams take turns; worth: the estimation asks for the stream that tells it most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """Scheduled checks of an analyzer with a blank and a standard.

    Attributes:
        blank_interval: From blank to blank, [s].
        standard_interval: From standard to standard, [s].
        standard: Certified content of the standard, (element,), [mol/m³].
        acid: Free acid of blank and standard, [mol/m³].
        relative_sd: Of the certificate, [-].
        count_time: Of a check, [s].
        purge_time: Before it, [s].
        repeats: Measurements that confirm a bad check before anything is corrected for.
    """

    blank_interval: float
    standard_interval: float
    standard: tuple[float, ...]
    acid: float
    relative_sd: float
    count_time: float
    purge_time: float
    repeats: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzerPlan:
    """Where and how long the online analyzer looks.

    Attributes:
        monitored_stages: Indices from 0.
        count_time: [s].
        purge_time: [s].
        model: How a virtual plant makes its readings: "chain" counts a spectrum of each sample
            and quantifies it; "statistical" draws what that would have found.
        sample_flow: Through the line that all samples share, [m³/s]; 0 for one that holds
            nothing back.
        line_volume: Of that line, [m³].
        cell_volume: Of the stirred cell in front of the analyzer, [m³].
        checks: Blank and standard; None for an analyzer that is not checked.
        laboratory_bias: Whether readings are corrected by what assays show; None as the model
            needs it: yes of a chain, no of a statistical one, which is drawn as corrected.
        choice: Who chooses the next stream.
        longest_interval: From sample to sample of any stream, where requests or checks break the
            rota, [s].
        shortest_interval: Within which no request brings a stream again, [s].
    """

    monitored_stages: tuple[int, ...]
    count_time: float
    purge_time: float
    model: Literal["chain", "statistical"] = "statistical"
    sample_flow: float = 0.0
    line_volume: float = 0.0
    cell_volume: float = 0.0
    checks: CheckPlan | None = None
    laboratory_bias: bool | None = None
    choice: Choice = "rota"
    longest_interval: float = HOUR
    shortest_interval: float = 0.0

    @property
    def corrected_by_laboratory(self) -> bool:
        """Whether readings are corrected by assays."""
        if self.laboratory_bias is None:
            return self.model == "chain"
        return self.laboratory_bias

    @property
    def planned(self) -> bool:
        """Whether the next stream is decided step by step, and not by a fixed rota."""
        return self.checks is not None or self.choice == "worth"
