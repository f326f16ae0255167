"""Run the sandbox in the foreground: ``python -m sandbox``."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence

from sandbox import options as choices
from sandbox.interrupts import until_interrupted
from sandbox.options import Options
from sandbox.prepared import NotPrepared
from sandbox.servers_build import ServerMissing
from sandbox.supervised import NeverReady
from sandbox.supervisor import CannotStart, Supervisor, sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C, SIGTERM or SIGHUP; give the exit status."""
    chosen = choices.parse(sys.argv[1:] if arguments is None else arguments)
    try:
        return asyncio.run(until_interrupted(_run(chosen)))
    except (CannotStart, NotPrepared, NeverReady, ServerMissing) as error:
        print(f"The sandbox cannot run: {error}", file=sys.stderr)
        return 1


async def _run(chosen: Options) -> int:
    began = time.monotonic()
    async with sandbox(chosen, say) as running:
        say(f"all ready after {time.monotonic() - began:.1f} s")
        for line in where(running):
            say(line)
        await running.watch()
    return 0


def where(running: Supervisor) -> list[str]:
    """Say where everything is."""
    told = running.description
    lines = [f"  logs           {told['logs_dir']}"]
    if told["console_url"]:
        lines = [
            f"  API documents  {told['docs_url']}",
            f"  test page      {told['console_url']}",
            *lines,
        ]
    return [*lines, "Ctrl-C stops everything."]


def say(line: str) -> None:
    """Print a line; a terminal that is gone must not keep the sandbox from stopping."""
    try:
        print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main())
