"""Which bridge is good enough."""

from __future__ import annotations

import pytest

from sandbox import servers_build
from sandbox.servers_build import LIVEKIT_SERVER, LIVEKIT_SIP, ServerMissing, check_sip


@pytest.mark.parametrize("version", ["v1.6.9", "v0.9.0", "v1.0.0"])
def test_a_bridge_before_1_7_is_refused(version: str) -> None:
    with pytest.raises(ServerMissing, match="too old"):
        check_sip(version)


def test_a_bridge_before_1_9_is_taken_with_a_warning_that_names_what_it_lacks() -> None:
    warning = check_sip("v1.8.0")
    assert warning is not None
    assert all(issue in warning for issue in ("#762", "#756", "#765"))


@pytest.mark.parametrize("version", ["v1.9.0", "v1.10.2", "v2.0.0"])
def test_a_newer_bridge_is_taken_without_a_word(version: str) -> None:
    assert check_sip(version) is None


def test_both_servers_are_pinned() -> None:
    assert servers_build.numbers(servers_build.pinned(LIVEKIT_SERVER)) >= (1, 13, 5)
    assert servers_build.numbers(servers_build.pinned(LIVEKIT_SIP)) >= (1, 8, 0)
