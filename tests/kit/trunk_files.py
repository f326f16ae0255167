"""What trunks.yaml wants, for tests: one trunk both ways with one number, and what to change."""

from __future__ import annotations

import copy
from typing import Any, cast

from pydantic import SecretStr

from trunks.desired import Desired

NUMBER = "+14155550100"
OTHER_NUMBER = "+14155550101"
PASSWORD = "a-password-of-the-tests"

_FILE: dict[str, Any] = {
    "version": 1,
    "deployment": "acme",
    "carriers": {"main": {"kind": "generic"}},
    "trunks": {
        "main": {
            "carrier": "main",
            "address": "127.0.0.1:5070",
            "outbound": {
                "username": "acme",
                "password": SecretStr(PASSWORD),
                "headers": {"X-Account": "acme"},
                "destination_country": "US",
            },
            "inbound": {
                "deliver_to": [{"url": "sip:sip.example.com:5060"}],
                "allowed_addresses": ["54.172.60.0/30"],
            },
        }
    },
    "numbers": {NUMBER: {"trunk": "main", "inbound": {"agent": "receptionist"}}},
    "livekit": {
        "url": "ws://127.0.0.1:7880",
        "api_key": "key",
        "api_secret": SecretStr("a-secret-of-the-tests-with-32-characters"),
    },
}


def desired(*changes: tuple[str, Any]) -> Desired:
    """Give the file's content with some values changed.

    Shape: each by its path, as ``trunks/main/address``; a value of None removes what is there.
    """
    content = copy.deepcopy(_FILE)
    for path, value in changes:
        *folders, last = path.split("/")
        part: dict[str, Any] = content
        for folder in folders:
            part = cast("dict[str, Any]", part.setdefault(folder, {}))
        if value is None:
            part.pop(last, None)
        else:
            part[last] = value
    return Desired.model_validate(content)
