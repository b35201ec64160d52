"""How long the fit of the shipped table and its report take, part by part, on one thread.

    python benchmarks/fit_time.py [--json]

CPU seconds of this process; the first parts hold the imports. `python -X importtime` tells more.
"""

from __future__ import annotations

import argparse
import json
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

TABLE = "pc88a_hcl_batch_tests"


def main() -> None:
    """Time every part and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args().json
    seconds: dict[str, float] = {}
    last = time.process_time()

    def lap(name: str) -> None:
        nonlocal last
        now = time.process_time()
        seconds[name] = round(now - last, 2)
        last = now

    from raffinate.chemistry.fit import fit_system
    from raffinate.chemistry.fit_design import next_experiments, weak_directions
    from raffinate.chemistry.fit_profile import profile_intervals
    from raffinate.chemistry.fit_sources import leave_one_source_out
    from raffinate.lab.shake_out import load_shake_outs

    lap("import")
    table = load_shake_outs(TABLE)
    lap("read")
    result = fit_system(table)
    lap("fit")
    left_out = leave_one_source_out(result)
    loose = leave_one_source_out(result, unfiltered=True)
    lap("laboratories not seen")
    profiles = profile_intervals(result)
    lap("profile intervals")
    weak, experiments = weak_directions(result), next_experiments(result)
    lap("next experiments")
    from raffinate.chemistry.fit_assess import Assessment
    from raffinate.plots.fit_html import fit_report

    lap("import of the pictures")
    assessment = Assessment(
        left_out=left_out,
        left_out_unfiltered=loose,
        profiles=profiles,
        weak=weak,
        experiments=experiments,
    )
    fit_report(result, assessment)
    lap("report")
    seconds["all"] = round(sum(seconds.values()), 2)
    if as_json:
        print(json.dumps(seconds))
    else:
        for name, value in seconds.items():
            print(f"{name:24s} {value:6.2f} s")


if __name__ == "__main__":
    main()
