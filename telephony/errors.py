"""Every error the gateway raises on purpose.

    TelephonyError
    ├── InvalidNumber          a phone number could not be taken, with a stable code
    ├── Refused                admission said no: nothing was written, nothing was sent
    ├── NotFound               no such thing in this tenant
    ├── Conflict               the request collides with what is already so
    ├── Unavailable            a dependency is missing; try again later
    ├── Unauthorized           no valid key, token or cookie
    └── IllegalTransition      an event that the lifecycle does not take in this status

An error carries a stable ``code`` (documented in ``docs/errors.md``), one plain sentence and, where
one field of the request is at fault, its name. The HTTP status is in ``dialer/problem_table.py``.
"""

from __future__ import annotations


class TelephonyError(Exception):
    """Root of the tree."""

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


class InvalidNumber(TelephonyError):
    """A phone number that cannot be dialled, and why."""


class Refused(TelephonyError):
    """Admission refused the call."""


class NotFound(TelephonyError):
    """No such thing in this tenant; the text never tells whether another tenant has it."""


class Conflict(TelephonyError):
    """The request collides with what is already so."""

    def __init__(
        self, code: str, message: str, *, field: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(code, message, field=field)
        self.retry_after = retry_after


class Unavailable(TelephonyError):
    """A dependency is missing.

    Units: ``retry_after`` in seconds.
    """

    def __init__(self, code: str, message: str, *, retry_after: int = 5) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class Unauthorized(TelephonyError):
    """No valid key, token or cookie."""


class IllegalTransition(TelephonyError):
    """An event that the lifecycle does not take in this status."""

    def __init__(self, status: str, event: str) -> None:
        super().__init__("illegal_transition", f"a call that is {status} does not take {event}")
