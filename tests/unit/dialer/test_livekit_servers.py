"""What is built for each LiveKit: apart where it must be, and nothing for one that is not there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from dialer.app import build
from dialer.setting_checks import hosted
from dialer.settings import Settings
from telephony.worker_contract import LiveKitName
from tests.kit.api import AGENTS, settings

CLOUD = {
    "livekit_fallback_url": "wss://example.livekit.cloud",
    "livekit_fallback_api_key": "cloud",
    "livekit_fallback_api_secret": "another-livekit-secret-of-32-and-more",
}


def configured(folder: Path, **fields: Any) -> Settings:
    (folder / "agents.yaml").write_text(AGENTS)
    return settings(f"sqlite:///{folder}/x.db", agents_file=str(folder / "agents.yaml"), **fields)


@pytest.mark.parametrize(
    ("url", "is_hosted"),
    [
        ("wss://example.livekit.cloud", True),
        ("https://example.livekit.cloud:443", True),
        ("ws://127.0.0.1:7880", False),
        ("wss://livekit.cloud.example.com", False),
    ],
)
def test_a_project_of_livekit_cloud_is_known_by_its_host(url: str, is_hosted: bool) -> None:
    assert hosted(url) is is_hosted


async def test_one_livekit_is_not_chosen_from(tmp_path: Path) -> None:
    dialer = build(configured(tmp_path))
    livekits = dialer.services.livekits
    assert livekits.all == (livekits.own,)
    assert livekits.own.realm.holds("telfb-att_1"), "no room is nobody's"
    assert livekits.run not in dialer.always
    await dialer.close()


async def test_each_livekit_has_its_own_guards_and_tokens_of_its_own_key(tmp_path: Path) -> None:
    alone, both = build(configured(tmp_path)), build(configured(tmp_path, **CLOUD))
    assert both.services.livekits.run in both.always
    # A keeper of trunks, a reaper, a rescuer and who looks at rooms without a call, once more.
    assert len(both.loops) == len(alone.loops) + 4
    own, fallback = both.services.livekits.all
    assert (own.name, fallback.name) == (LiveKitName.OWN, LiveKitName.FALLBACK)
    assert fallback.browser_url == "wss://example.livekit.cloud"
    assert own.jobs is not fallback.jobs and own.trunks is not fallback.trunks
    for room, key in (("tel-att_1", "key"), ("telfb-att_1", "cloud")):
        token = both.services.rooms.token(room, "browser", timedelta(minutes=1))
        assert jwt.decode(token, options={"verify_signature": False})["iss"] == key
    for dialer in (alone, both):
        await dialer.close()
