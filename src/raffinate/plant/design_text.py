"""The plant file that a design becomes."""

from __future__ import annotations

import yaml

from raffinate.plant.design_file import DesignSpecification
from raffinate.units import HOUR


def plant_text(
    specification: DesignSpecification, stages: tuple[int, int, int], amount: float
) -> str:
    """Return the plant file of a design.

    Args:
        specification: What the plant must do.
        stages: Of extraction, scrub and strip.
        amount: Extraction amount S, mol per mol of feed, [-].
    """
    spec = specification
    capacity = spec.saponification_degree * spec.extractant_mol_per_L / 3.0
    organic = amount * spec.total_mol_per_L * spec.feed_m3_per_h / capacity
    document = {
        "format": "raffinate-plant/1",
        "name": spec.name,
        "title": spec.title,
        "system": spec.system_name,
        "sources": {**_sources(spec), "design": _DESIGN},
        **_streams(spec, organic),
        "sections": _sections(spec, stages, organic, amount),
        "sections_source": "design",
        "products": _products(spec),
        "nominal": {
            "purity": {p.name: p.purity for p in (spec.raffinate, spec.extracted)},
            "first_extraction_ratio": _rounded(amount),
            "source": "design",
        },
        "levers": _LEVERS,
        "analyzer": {"monitored_stages": _monitored(stages), "count_s": 100, "purge_s": 80},
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


_DESIGN = {
    "title": "Stages by countercurrent-extraction theory, proved with the full chemistry",
    "evidence": "assumed",
    "note": "vessels from residence times, tank from half an hour of organic; lots and limits of "
    "levers as in the shipped plant",
}

_LEVERS = {
    "organic_flow": {"title": "Organic", "low": 0.5, "high": 1.6, "rate_per_h": 0.5},
    "scrub_flow": {"title": "Scrub", "low": 0.3, "high": 1.8, "rate_per_h": 1.0},
    "acid_flow": {"title": "Strip acid", "low": 0.5, "high": 1.6, "rate_per_h": 0.5},
}


def _streams(spec: DesignSpecification, organic: float) -> dict[str, object]:
    """Return feed, organic and acid; `organic` in m³/h."""
    return {
        "feed": {
            "total_mol_per_L": spec.total_mol_per_L,
            "mass_fraction": dict(spec.mass_fraction),
            "free_acid_mol_per_L": spec.free_acid_mol_per_L,
            "flow_m3_per_h": spec.feed_m3_per_h,
            "source": spec.source_keys["feed"],
        },
        "organic": {
            "extractant_mol_per_L": spec.extractant_mol_per_L,
            "saponification_degree": spec.saponification_degree,
            "tank_m3": _rounded(organic * 0.5),
            "source": spec.source_keys["organic"],
        },
        "acid": {
            "hcl_mol_per_L": spec.hcl_mol_per_L,
            "organic_to_acid_ratio": spec.organic_to_acid_ratio,
            "source": spec.source_keys["acid"],
        },
    }


def _products(spec: DesignSpecification) -> dict[str, object]:
    return {
        product.name: {
            "title": product.title,
            "outlet": outlet,
            "elements": list(product.elements),
            "purity_limit": product.purity,
            "lot_t_reo": 5.0,
        }
        for product, outlet in ((spec.raffinate, "raffinate"), (spec.extracted, "strip_liquor"))
    }


def _sections(
    spec: DesignSpecification, stages: tuple[int, int, int], organic: float, amount: float
) -> list[dict[str, object]]:
    acid = organic / spec.organic_to_acid_ratio
    share = sum(spec.mole_fraction[symbol] for symbol in spec.extracted.elements)
    scrub = acid * (1.0 - share / amount)
    aqueous = {"extraction": spec.feed_m3_per_h + scrub, "scrub": scrub, "strip": acid}
    return [
        _section(spec, name, count, organic, flow)
        for (name, flow), count in zip(aqueous.items(), stages, strict=True)
    ]


def _section(
    spec: DesignSpecification, name: str, count: int, organic: float, aqueous: float
) -> dict[str, object]:
    recycle = max(0.0, organic / spec.mixer_ratio - aqueous)
    through = aqueous + recycle
    hours = spec.settler_residence / HOUR
    return {
        "name": name,
        "stages": count,
        "efficiency": spec.efficiency,
        "mixer_m3": _rounded((organic + through) * spec.mixer_residence / HOUR),
        "settler_organic_m3": _rounded(organic * hours),
        "settler_aqueous_m3": _rounded(through * hours),
        "recycle_m3_per_h": _rounded(recycle),
    }


def _monitored(stages: tuple[int, int, int]) -> list[int]:
    """Return six stages, spread over extraction and scrub, where the profile moves."""
    n, m, _ = stages
    chosen = [0.2 * n, 0.4 * n, 0.7 * n, n + 0.35 * m, n + 0.6 * m, n + 0.85 * m]
    return sorted({max(1, round(stage)) for stage in chosen})


def _sources(spec: DesignSpecification) -> dict[str, dict[str, str]]:
    return {
        key: {
            name: text
            for name, text in (
                ("title", source.title),
                ("reference", source.reference),
                ("evidence", source.evidence),
                ("note", source.note),
            )
            if text
        }
        for key, source in spec.sources.items()
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
