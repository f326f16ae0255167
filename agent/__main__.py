"""``python -m agent``: run the worker."""

from __future__ import annotations

import asyncio
import os
import sys

from pydantic import ValidationError

from agent.logs import configure_logs
from agent.media_events import wake_only_who_is_meant
from agent.settings import Settings, spare_what_is_not_needed
from agent.worker import run_worker


def main() -> int:
    """Read the settings and work until told to stop; give the exit status."""
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            print(f"{name}: {problem['msg']}", file=sys.stderr)
        return 2
    configure_logs(settings.log_level)
    spare_what_is_not_needed()
    wake_only_who_is_meant()
    status = asyncio.run(run_worker(settings))
    sys.stdout.flush()
    sys.stderr.flush()
    # The media library's threads outlive the calls and would hold up the interpreter's exit.
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
