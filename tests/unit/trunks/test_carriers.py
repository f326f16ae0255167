"""Which adapter speaks for which carrier."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from trunks.accounts import Generic, Plivo, Telnyx, Twilio, Wavix
from trunks.carriers import ADAPTERS, adapters, unsupported
from trunks.desired import Desired
from trunks.resources import Adapter
from trunks.words import Part

ACCOUNTS: dict[str, tuple[type[Part], dict[str, Any]]] = {
    "twilio": (Twilio, {"account_sid": "AC1", "auth_token": SecretStr("t")}),
    "telnyx": (Telnyx, {"api_key": SecretStr("k")}),
    "plivo": (Plivo, {"auth_id": "MA1", "auth_token": SecretStr("t")}),
    "wavix": (Wavix, {"api_key": SecretStr("k")}),
    "generic": (Generic, {}),
}


def a_file(kind: str) -> Desired:
    return Desired.model_validate(
        {
            "version": 1,
            "deployment": "acme",
            "carriers": {"main": {"kind": kind, **ACCOUNTS[kind][1]}},
            "trunks": {},
            "livekit": {
                "url": "ws://127.0.0.1:7880",
                "api_key": "devkey",
                "api_secret": SecretStr("a secret of the tests, and long enough"),
            },
        }
    )


def test_every_kind_that_the_file_knows_has_an_adapter() -> None:
    assert set(ADAPTERS) == set(ACCOUNTS)
    assert all(unsupported(a_file(kind)) == [] for kind in ACCOUNTS)


@pytest.mark.parametrize("kind", ACCOUNTS)
async def test_an_adapter_is_built_from_the_account_and_livekits_comes_last(kind: str) -> None:
    desired = a_file(kind)
    built: list[Adapter] = adapters(desired)
    try:
        assert [adapter.place for adapter in built] == [f"{kind}:main", "livekit"]
        assert all(list(adapter.wanted(desired)) == [] for adapter in built)
        assert all(list(adapter.check(desired)) == [] for adapter in built)
    finally:
        for adapter in built:
            await adapter.aclose()
