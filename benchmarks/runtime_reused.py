"""Figures that have benchmarks of their own: tags over OPC UA, the page's push, the historian."""

from __future__ import annotations

from runtime_support import Figure, Limit, script

CORE = "% of a core"


def tags(reduced: bool) -> Figure:
    """Serve 5,000 and 10,000 tags that are new once a second to one encrypted subscriber."""
    seconds = "6" if reduced else "20"
    found = {
        number: script("opcua_tags.py", "--tags", str(number), "--seconds", seconds)
        for number in ((5_000,) if reduced else (5_000, 10_000))
    }
    limits = []
    for number, each in found.items():
        limit = {"must": 30.0} if number == 5_000 else {"reach": 30.0}
        limits += [
            Limit(
                what=f"{number} tags, server", value=each["server_cpu_percent"], unit=CORE, **limit
            ),
            Limit(what=f"{number} tags, missed", value=each["missed"], unit="values", must=0),
        ]
    return Figure(
        title="Tags at 1 Hz, encrypted, one subscriber",
        limits=limits,
        detail={str(number): each for number, each in found.items()},
    )


def web(reduced: bool) -> Figure:
    """Push 500 tags to 10 pages: changed together once a second, and spread over each second."""
    seconds = "6" if reduced else "30"
    found = {"together": script("web_push.py", "--seconds", seconds)}
    if not reduced:
        found["spread"] = script("web_push.py", "--seconds", seconds, "--spread")
    limits = []
    for name, each in found.items():
        cpu, delay = each["cpu_percent"], each["p99_ms"]
        limits += [
            Limit(what=f"changes {name}, server", value=cpu, unit=CORE, must=3.0, reach=1.0),
            Limit(what=f"changes {name}, p99 push", value=delay, unit="ms", must=50.0),
        ]
    return Figure(title="Web: 500 tags, 10 browsers", limits=limits, detail=found)


def historian(reduced: bool) -> Figure:
    """Read one-tag trends and profiles of all stages out of ten million rows."""
    rows, repeats = ("200000", "31") if reduced else ("10000000", "101")
    found = script("historian.py", "--rows", rows, "--repeats", repeats)
    limits = [
        Limit(
            what=name.replace("_", " "),
            value=found[name]["median_ms"],
            unit="ms",
            must=found["must_ms"][name.split("_")[0]],
            reach=found["reach_ms"][name.split("_")[0]],
        )
        for name in ("trend_whole_span", "trend_week", "trend_day", "profile_all_stages")
    ]
    return Figure(title=f"Historian: {found['rows']} rows", limits=limits, detail=found)
