"""What a far end (a carrier's API, LiveKit) did not do, in words for the operator.

Adapters translate every error of an SDK or of HTTP into a TrunkError; nothing above them knows a
status code. ``CODES`` is the closed list, and docs/trunks.md is generated from it. What is wrong in
the file is told by ``trunks.faults``.
"""

from __future__ import annotations

#: Code of a far end's refusal -> what it means.
CODES = {
    "credentials_refused": "The far end does not take these credentials (401).",
    "not_permitted": "The credentials are right, but not for this (403).",
    "trial_account": "A trial account may not do this.",
    "not_found": "What should be changed is no longer there (404).",
    "conflict": "Something that is not ours is in the way (409).",
    "number_taken": "The number belongs to another trunk.",
    "number_not_owned": "The number is not in the carrier's account.",
    "refused": "The far end refused what was asked (400, 422).",
    "rate_limited": "Too many requests (429); surely nothing was done.",
    "carrier_error": "The far end failed (5xx); what was asked may have been done.",
    "timeout": "No answer in time; what was asked may have been done.",
    "unreachable": "No connection to the far end.",
}


class TrunkError(Exception):
    """Something that a far end did not do.

    Shape: ``code`` is one of ``CODES``; ``message`` says what happened and ``fix`` what to do
    about it, a sentence each; ``retryable`` where the same request may succeed later.
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

    @classmethod
    def number_not_owned(cls, number: str, *, carrier: str, shop: str) -> TrunkError:
        """Say that a number must be got first, at the carrier's own ``shop``."""
        return cls(
            "number_not_owned",
            f"{number} is not in the {carrier} account.",
            f"Get it at {shop}, or remove it from trunks.yaml.",
        )

    @property
    def nothing_done(self) -> bool:
        """Tell whether the request surely had no effect, so that it may be sent again blindly."""
        return self.code == "rate_limited"

    @property
    def ends_the_place(self) -> bool:
        """Tell whether nothing else can be done there either."""
        return self.retryable or self.code == "credentials_refused"
