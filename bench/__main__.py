"""``python -m bench``: measure both roads and write down what was found."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from bench.run import Plan, run
from sandbox.folders import PROJECT
from sandbox.interrupts import until_interrupted

PARTS = ("latency", "shipped", "load", "api")


def main() -> int:
    """Run what is asked for; give the exit status."""
    return asyncio.run(until_interrupted(run(_plan()), when_told=130))


def _plan() -> Plan:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or of: {', '.join(PARTS)}")
    parser.add_argument("--n", type=int, help="calls of each road (default: 30)")
    parser.add_argument("--quick", action="store_true", help="about five minutes, rough figures")
    parser.add_argument(
        "--levels", default="", metavar="N,...", help="calls at once (default: 1,5,10,20)"
    )
    parser.add_argument("--capacity", type=int, default=5, help="calls of one worker process")
    parser.add_argument("--workers", type=int, help="worker processes, whatever the level")
    parser.add_argument("--out", type=Path, default=PROJECT / ".bench", metavar="FOLDER")
    parser.add_argument(
        "--publish", action="store_true", help="put the figures and plots into docs/benchmarks.md"
    )
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    levels = chosen.levels or ("1,10" if chosen.quick else "1,5,10,20")
    return Plan(
        parts=tuple(chosen.parts) or PARTS,
        n=chosen.n or (5 if chosen.quick else 30),
        quick=chosen.quick,
        levels=tuple(int(level) for level in levels.split(",")),
        capacity=chosen.capacity,
        workers=chosen.workers,
        out=chosen.out.resolve(),
        publish=chosen.publish,
        command=" ".join(["python -m bench", *sys.argv[1:]]),
    )


if __name__ == "__main__":
    sys.exit(main())
