"""``python -m bench``: measure both roads and write down what was found."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from bench import report
from bench.run import Plan, run
from sandbox.folders import PROJECT
from sandbox.interrupts import until_interrupted

PARTS = tuple(report.HEADINGS)


def main() -> int:
    """Run what is asked for; give the exit status."""
    plan = _plan(sys.argv[1:])
    if plan is None:
        return 0
    return asyncio.run(until_interrupted(run(plan), when_told=130))


def told_command(arguments: list[str]) -> str:
    """Write the command for the page: without the folder, which is of one machine."""
    told: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if before != "--out" and not argument.startswith("--out"):
            told.append(argument)
    return " ".join(["python -m bench", *told])


def _plan(arguments: list[str]) -> Plan | None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or of: {', '.join(PARTS)}")
    parser.add_argument(
        "--parts",
        dest="parts_in_a_word",
        default="",
        metavar="PART,...",
        help="the same in one word",
    )
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
    parser.add_argument(
        "--publish-only", action="store_true", help="measure nothing: publish what FOLDER holds"
    )
    chosen = parser.parse_args(arguments)
    parts = (*chosen.parts, *filter(None, chosen.parts_in_a_word.split(",")))
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if chosen.publish_only:
        print(report.write(chosen.out.resolve(), publish=True))
        return None
    levels = chosen.levels or ("1,10" if chosen.quick else "1,5,10,20")
    return Plan(
        parts=parts or PARTS,
        n=chosen.n or (5 if chosen.quick else 30),
        quick=chosen.quick,
        levels=tuple(int(level) for level in levels.split(",")),
        capacity=chosen.capacity,
        workers=chosen.workers,
        out=chosen.out.resolve(),
        publish=chosen.publish,
        command=told_command(arguments),
    )


if __name__ == "__main__":
    sys.exit(main())
