"""With which status the commands end."""

from __future__ import annotations

from enum import IntEnum

from trunks.errors import TrunkError


class Exit(IntEnum):
    """The statuses; docs/trunks.md is generated from ``MEANING``."""

    DONE = 0
    UNEXPECTED = 1
    WRONG = 2
    CHANGES = 3
    REFUSED = 4
    UNREACHABLE = 5
    INTERRUPTED = 130


MEANING = {
    Exit.DONE: "All is as the file wants it, or has been made so.",
    Exit.UNEXPECTED: "An error nobody foresaw, with its traceback.",
    Exit.WRONG: "The file or the arguments are wrong; nothing was changed.",
    Exit.CHANGES: "`plan`, `verify`, `doctor`, `import`: there is something to do. Also where the "
    "operator was asked and did not agree; nothing was changed.",
    Exit.REFUSED: "A far end refused something: credentials, rights, or something in the way. The "
    "rest was done.",
    Exit.UNREACHABLE: "A far end was away, failed or was too busy. Run it again.",
    Exit.INTERRUPTED: "Interrupted (Ctrl-C). Run it again: it goes on where it was.",
}


def of(error: TrunkError) -> Exit:
    """Give the status for what a far end did not do."""
    return Exit.UNREACHABLE if error.retryable else Exit.REFUSED
