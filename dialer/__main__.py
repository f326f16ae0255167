"""Run the command line: ``python -m dialer``."""

from __future__ import annotations

import os
import sys

from dialer.cli import app


def main() -> None:
    """Run it, and exit with its status."""
    try:
        app(prog_name="dialer")
    except SystemExit as end:
        _end_beside_the_media_library(end)
        raise


def _end_beside_the_media_library(end: SystemExit) -> None:
    """Exit at once where a test call loaded it (`trunks doctor --call`).

    Its threads call back into an interpreter that is being taken down, and now and then abort the
    process with all of its answer printed.
    """
    if "livekit.rtc" not in sys.modules or not isinstance(end.code, int | None):
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(end.code or 0)


main()
