"""What the bridge tells of a call that came in, in the attributes of its participant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

#: The bridge's own name for the call.
BRIDGE_CALL_ID: Final = "sip.callID"
#: Where the bridge tells of the numbers: by themselves, or, where the dispatch rule hides them, in
#: the INVITE's own headers (``include_headers`` or ``headers_to_attributes`` of the trunk).
CALLED: Final = ("sip.trunkPhoneNumber", "sip.h.to")
CALLER: Final = ("sip.phoneNumber", "sip.h.from")
_USER: Final = re.compile(r"\s*sips?:([^@;>]*)@", re.IGNORECASE)
#: A display name is whatever the caller likes, an address among other things.
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETED: Final = re.compile(r"<([^<>]*)>")


def number_in(attributes: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """Read a number from the first of the attributes that is there."""
    for name in names:
        value = attributes.get(name)
        if value:
            return _user(value)[:64] or None
    return None


def _user(value: str) -> str:
    bare = _QUOTED.sub("", value)
    bracketed = _BRACKETED.search(bare)
    address = bracketed[1] if bracketed else bare
    user = _USER.match(address)
    return user[1] if user else address
