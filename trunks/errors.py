"""What a far end (a carrier's API, LiveKit) did not do, in words for the operator.

    TrunkError             with a stable code, what happened, and what to do
    └── FileError          trunks.yaml is wrong: every fault, with its line

Adapters translate every error of an SDK or of HTTP into a TrunkError; nothing above them knows a
status code. The closed list of codes is ``CODES``, and docs/trunks.md is generated from it.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Code of a far end's refusal -> what it means. Those of the file are in ``trunks.faults``.
CODES = {
    "credentials_refused": "The far end does not take these credentials (401).",
    "not_permitted": "The credentials are right and may not do this (403).",
    "trial_account": "A trial account may not do this.",
    "not_found": "What should be changed is no longer there (404).",
    "conflict": "Something that is not ours is in the way (409).",
    "number_taken": "The number belongs to another trunk.",
    "number_not_owned": "The number is not in the carrier's account.",
    "refused": "The far end refused what was asked (400, 422).",
    "not_supported": "No adapter of ours knows this.",
    "rate_limited": "Too many requests (429): refused before anything was done.",
    "carrier_error": "The far end failed (5xx); whether it did what was asked is unknown.",
    "timeout": "No answer in time; whether it did what was asked is unknown.",
    "unreachable": "No connection to the far end.",
}


class TrunkError(Exception):
    """Something that a far end did not do.

    Shape: ``message`` says what happened and ``fix`` what to do about it, a sentence each;
    ``retryable`` where the same request may succeed later.
    Units: ``retry_after`` in seconds, as the far end asked.
    """

    def __init__(
        self,
        code: str,
        message: str,
        fix: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{message} {fix}".strip())
        self.code = code
        self.message = message
        self.fix = fix
        self.retryable = retryable
        self.retry_after = retry_after

    @property
    def nothing_done(self) -> bool:
        """Tell whether the request surely had no effect, though it may be sent again."""
        return self.code == "rate_limited"


class FileError(TrunkError):
    """The file is wrong.

    Shape: ``lines`` has one for each fault, as ``trunks.yaml:12:5: trunks.main.address: ...``.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("file_wrong", "\n".join(lines))
        self.lines = tuple(lines)
