"""Chaos by seed: ``python -m tests.faults.chaos --kills N --seed S``; resumable."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sandbox.atomic import write_private
from sandbox.folders import DEFAULT_STATE
from tests.faults.chaos import report
from tests.faults.chaos.killing import POSTGRES
from tests.faults.chaos.plan import draw
from tests.faults.chaos.playing import Player
from tests.kit import postgres
from tests.kit.running import sandbox

_KILLS_A_ROUND = 15


def main(arguments: list[str]) -> int:
    """Run until the kills are done; 0 when no promise was broken, by this run or an earlier one."""
    asked = _parsed(arguments)
    seed = random.randrange(1_000_000) if asked.seed is None else asked.seed
    folder: Path = asked.state / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    rounds = _rounds(folder)
    for stop in (signal.SIGINT, signal.SIGTERM):
        # A shell gives what it starts in the background no SIGINT.
        signal.signal(stop, signal.default_int_handler)
    say(f"seed {seed}: {_kills(rounds)} of {asked.kills} kills done; kept in {folder}")
    try:
        if _kills(rounds) < asked.kills:
            with _stack(folder, asked) as running:
                _play(running, rounds, seed, asked.kills, folder)
    except KeyboardInterrupt:
        say(f"interrupted; the same seed goes on: make chaos SEED={seed} KILLS={asked.kills}")
    for line in report.summary(rounds, seed):
        print(line, flush=True)
    broken = any(one["violations"] for one in rounds)
    return 1 if broken else 0 if _kills(rounds) >= asked.kills else 130


@contextmanager
def _stack(folder: Path, asked: argparse.Namespace) -> Generator[dict[str, Any]]:
    options: list[str] = asked.sandbox.split()
    with ExitStack() as stack:
        more: dict[str, Any] = {}
        if asked.postgres:
            server = stack.enter_context(postgres.server())
            url = stack.enter_context(postgres.fresh_database(server))
            options += ["--database-url", url]
            more[POSTGRES] = url
        yield stack.enter_context(sandbox(folder / "stack", *options)) | more


def _play(
    running: dict[str, Any], rounds: list[report.Kept], seed: int, kills: int, folder: Path
) -> None:
    player = Player(running, say)
    while (done := _kills(rounds)) < kills:
        number = len(rounds) + 1
        say(f"round {number} (seed {seed}), {done} of {kills} kills done")
        played = asyncio.run(
            player.play(draw(seed, number, kills=min(_KILLS_A_ROUND, kills - done)))
        )
        rounds.append(report.kept(played))
        write_private(folder / "rounds.json", json.dumps(rounds, indent=1))
        say(f"  {sum(played.outcomes.values())} calls, {len(played.violations)} violations")
        if played.violations:
            where = report.keep_evidence(played, Path(running["logs_dir"]), folder)
            print(report.explained(played), flush=True)
            say(f"  evidence: {where}")


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=60, help="how many in all (KILLS=N)")
    parser.add_argument("--seed", type=int, help="another story each; default: any (SEED=S)")
    parser.add_argument(
        "--state", type=lambda text: Path(text).resolve(), default=DEFAULT_STATE / "chaos"
    )
    parser.add_argument(
        "--postgres", action="store_true", help="keep the calls in a Postgres, and kill it too"
    )
    parser.add_argument("--sandbox", default="", metavar="OPTIONS", help="for the sandbox")
    return parser.parse_args(arguments)


def _rounds(folder: Path) -> list[report.Kept]:
    try:
        return json.loads((folder / "rounds.json").read_text())
    except FileNotFoundError:
        return []


def _kills(rounds: list[report.Kept]) -> int:
    return sum(len(one["kills"]) for one in rounds)


def say(line: str) -> None:
    """Print a line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
