"""What docs/livekit-cloud.md shows is taken as it stands, and its rooms are the fallback's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from dialer.livekits.livekit import Realm
from tests.kit.api import settings
from trunks import reading
from trunks.livekit_wanted import LiveKitWishes

PAGE = Path(__file__).resolve().parents[3] / "docs" / "livekit-cloud.md"


def test_the_file_for_calls_that_come_in_names_rooms_of_the_fallback(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    file = tmp_path / "trunks.yaml"
    file.write_text(block)
    environment = {
        "LIVEKIT_FALLBACK_URL": "wss://example.livekit.cloud",
        "LIVEKIT_FALLBACK_API_KEY": "key",
        "LIVEKIT_FALLBACK_API_SECRET": "secret",
    }
    read = reading.load(file, environment=environment, deployment="tel")
    assert read.warnings == []
    wishes = LiveKitWishes(read.desired.deployment)
    assert [wanted.key.kind for wanted in wishes.wanted(read.desired)] == [
        "inbound_trunk",
        "dispatch_rule",
    ]

    dialer = settings(
        "sqlite:///x.db",
        livekit_fallback_url="wss://example.livekit.cloud",
        livekit_fallback_api_key="key",
        livekit_fallback_api_secret="livekit-secret-of-the-tests-32-and-more",
    )
    rule = next(one for one in wishes.wanted(read.desired) if one.key.kind == "dispatch_rule")
    prefix = cast("str", rule.fields["room_prefix"])
    theirs = dialer.fallback_deployment
    assert theirs is not None
    assert prefix == wishes.room_prefix
    assert Realm(theirs, theirs).holds(f"{prefix}-x")
    assert not Realm(dialer.deployment, theirs).holds(f"{prefix}-x")
