"""What strangers, broken telephones and forgers send to the bridge: it lives, and they get nothing.

The numbers are those of the catalogue of bad input (tests/unit/trunks/test_catalogue.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.kit.applied_file import applied
from tests.kit.calling_in import numbers
from tests.kit.gateway import Gateway
from tests.kit.processes import processes, until_workers
from tests.kit.rooms_left import rooms
from tests.kit.sip_caller import Door, Knock, knocking
from tests.kit.until import until_sync

OUR_NUMBER = "+14155550194"
#: LiveKit takes calls to it, and nobody owns it: who is let in hears busy.
NOBODYS_NUMBER = "+14155550195"
CARRIER = "127.0.0.1"
STRANGER = "127.0.0.2"
CALLER = "+14155550177"
PEER = {"agent": "default", "blocked_callers": ["anonymous", CALLER]}


@pytest.fixture(scope="module", autouse=True)
def _let_in(  # pyright: ignore[reportUnusedFunction]
    running: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Have one number that blocks the caller of these tests, and one that nobody owns."""
    until_workers(running)
    ours = {OUR_NUMBER: PEER, NOBODYS_NUMBER: {"agent": "default"}}
    folder = tmp_path_factory.mktemp("bad-input")
    with applied(running, folder, ours, allowed=[f"{CARRIER}/32"]):
        numbers(running, "remove", NOBODYS_NUMBER)
        yield


@dataclass
class Odd(Knock):
    """A call that is odd in one way.

    Shape: ``sdp`` is the offer, None the usual one; ``headers`` are added; ``dialog`` is the tag of
    a dialog that was never made.
    """

    sdp: str | None = None
    headers: tuple[str, ...] = ()
    dialog: str = ""

    def request(
        self, method: str, local_port: int, *, number: int = 1, to_tag: str = "", more: str = ""
    ) -> bytes:
        """Write it."""
        added = "\r\n".join(part for part in (*self.headers, more) if part)
        return super().request(
            method, local_port, number=number, to_tag=to_tag or self.dialog, more=added
        )

    def _offer(self) -> str:
        return super()._offer() if self.sdp is None else self.sdp


def odd(running: dict[str, Any], called: str = NOBODYS_NUMBER, **how: Any) -> Odd:
    port = int(running["sip_address"].rpartition(":")[2])
    given: dict[str, Any] = {"source": CARRIER, "caller": CALLER, **how}
    return Odd(port=port, called=called, **given)


@pytest.fixture
def unharmed(running: dict[str, Any], gateway: Gateway) -> Iterator[None]:
    """See that nothing of it stays: no room, no call, and the same bridge as before."""
    before, since = processes(running)["livekit-sip"], datetime.now(UTC)
    yield
    with knocking(odd(running), "OPTIONS") as door:
        assert door.answer().status == 200
    assert processes(running)["livekit-sip"] == before
    until_sync(lambda: not callers_rooms(running), 30, what="no room is left")
    assert [call for call in came_in(gateway, since) if call["ended_reason"] != "blocked"] == []


def callers_rooms(running: dict[str, Any]) -> list[str]:
    return [name for name in rooms(running) if name.startswith("tel-in")]


def came_in(gateway: Gateway, since: datetime) -> list[dict[str, Any]]:
    params = {"created_from": since.isoformat(), "direction": "inbound"}
    return gateway.http.get("/calls", params=params).json()["calls"]


def sdp(*media: str, connection: str = "IN IP4 127.0.0.1") -> str:
    head = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", f"c={connection}", "t=0 0"]
    return "\r\n".join([*head, *media]) + "\r\n"


PCMU = ("m=audio 40000 RTP/AVP 0", "a=rtpmap:0 PCMU/8000")


def heard_by(door: Door) -> int:
    """Wait for the first response, whatever it is."""
    return int(door.udp.recv(65_536).decode().split(" ", 2)[1])


@pytest.mark.usefixtures("unharmed")
def test_82_a_call_from_elsewhere_gets_no_room_and_no_call(
    running: dict[str, Any], gateway: Gateway
) -> None:
    since = datetime.now(UTC)
    with knocking(odd(running, OUR_NUMBER, source=STRANGER)) as stranger:
        assert heard_by(stranger) == 100
        # Who is let in after that is refused by the dialer, so the stranger was dealt with, too.
        with knocking(odd(running)) as door:
            assert door.answer().status == 486
        assert came_in(gateway, since) == []


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    "offer",
    [
        pytest.param("", id="83: none at all"),
        pytest.param("hello, is that you?", id="83: not one"),
        pytest.param(
            sdp("m=audio 40000 RTP/AVP 18", "a=rtpmap:18 G729/8000"), id="85: nothing but G729"
        ),
        pytest.param(
            sdp("m=audio 40000 RTP/AVP 96", "a=rtpmap:96 opus/48000/2"), id="85: nothing but opus"
        ),
        pytest.param(
            sdp(
                "m=audio 40000 RTP/SAVP 0",
                "a=rtpmap:0 PCMU/8000",
                "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
                "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
            ),
            id="86: SRTP where it is off",
        ),
        pytest.param(sdp("m=video 40000 RTP/AVP 31"), id="87: a picture and no sound"),
        pytest.param(sdp(), id="87: no media"),
    ],
)
def test_83_85_86_87_an_offer_that_cannot_be_taken_is_refused_at_once(
    running: dict[str, Any], offer: str
) -> None:
    with knocking(odd(running, sdp=offer)) as door:
        assert 400 <= door.answer().status < 600


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    "offer",
    [
        pytest.param(sdp(*PCMU, connection="IN IP4 0.0.0.0"), id="on hold from the start"),
        pytest.param(sdp("m=audio 0 RTP/AVP 0", *PCMU[1:]), id="port 0"),
        pytest.param(sdp(*PCMU, connection="IN IP6 ::1"), id="IPv6"),
        pytest.param(sdp(*PCMU, connection="IN IP4 no.such.host.invalid"), id="a name"),
        pytest.param(sdp("m=audio 40000 RTP/AVP 0", *["a=x:y"] * 500), id="500 lines"),
        pytest.param(sdp(*PCMU * 50), id="50 streams"),
    ],
)
def test_87_an_odd_offer_breaks_nothing(running: dict[str, Any], offer: str) -> None:
    with knocking(odd(running, sdp=offer)) as door:
        assert 400 <= door.answer().status < 600


@pytest.mark.usefixtures("unharmed")
def test_88_an_invite_that_is_sent_again_is_one_call(
    running: dict[str, Any], gateway: Gateway
) -> None:
    since = datetime.now(UTC)
    with knocking(odd(running, OUR_NUMBER)) as door:
        # Copies that come before the first response, in the same millisecond, are calls of their
        # own to livekit-sip 1.8.0 (docs/inbound.md); a telephone waits half a second.
        heard_by(door)
        for _ in range(5):
            door.ask("INVITE")
        assert door.answer().status == 486
    assert len(came_in(gateway, since)) == 1


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    ("method", "statuses"),
    # A CANCEL without its INVITE is answered by nothing at all.
    [("BYE", {481}), ("NOTIFY", {481})],
)
@pytest.mark.parametrize("source", [CARRIER, STRANGER])
def test_89_what_is_said_in_a_dialog_that_never_was_is_refused(
    running: dict[str, Any], source: str, method: str, statuses: set[int]
) -> None:
    with knocking(odd(running, source=source, dialog="never"), method) as door:
        assert door.answer().status in statuses


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    "method", ["INFO", "UPDATE", "MESSAGE", "REGISTER", "REFER", "SUBSCRIBE", "PUBLISH", "PRACK"]
)
def test_90_methods_that_the_bridge_has_not_are_not_allowed(
    running: dict[str, Any], method: str
) -> None:
    with knocking(odd(running), method) as door:
        assert door.answer().status == 405


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    "user",
    [
        "anonymous",
        "+",
        "9" * 300,
        "+1415555017" + "7" * 290,
        "\N{TELEPHONE RECEIVER}\N{PILE OF POO}",
        "%F0%9F%92%A9",
        "%27%3B%20DROP%20TABLE%20calls%3B--",
        "'",
    ],
    ids=["anonymous", "plus", "300", "300 with a plus", "emoji", "escaped emoji", "sql", "'"],
)
def test_91_a_caller_that_is_no_number_is_nobody_and_breaks_nothing(
    running: dict[str, Any], gateway: Gateway, user: str
) -> None:
    since = datetime.now(UTC)
    with knocking(odd(running, OUR_NUMBER, caller=user)) as door:
        status = door.answer().status
    found = came_in(gateway, since)
    if status == 400:
        assert found == [], "the bridge takes no such address"
        return
    assert status == 486
    [call] = found
    assert (call["caller_id"], call["ended_reason"]) == (None, "blocked")
    for name in ("api", "worker", "worker-2"):
        text = (Path(running["logs_dir"]) / f"{name}.log").read_text(errors="replace")
        assert not re.search(r"9{20}|DROP%20|<script", text), name


FORGED = (
    "X-Twilio-CallSid: CA0123456789abcdef0123456789abcdef",
    "X-Twilio-AccountSid: AC0123456789abcdef0123456789abcdef",
    "X-Twilio-VerStat: TN-Validation-Passed-A",
    "P-Asserted-Identity: <sip:+14155550111@pstn.twilio.com>",
    "Remote-Party-ID: <sip:+14155550111@pstn.twilio.com>;party=calling;privacy=off",
    "Diversion: <sip:+14155550194@pstn.twilio.com>",
    "X-Attempt-Id: att_0123",
)


@pytest.mark.usefixtures("unharmed")
def test_92_forged_headers_open_nothing_and_make_nobody_somebody_else(
    running: dict[str, Any], gateway: Gateway
) -> None:
    since = datetime.now(UTC)
    with knocking(odd(running, OUR_NUMBER, source=STRANGER, headers=FORGED)) as stranger:
        assert heard_by(stranger) == 100
        # The caller whom the number blocks stays that caller, whomever the headers assert.
        with knocking(odd(running, OUR_NUMBER, headers=FORGED)) as door:
            assert door.answer().status == 486
    [call] = came_in(gateway, since)
    assert (call["caller_id"], call["ended_reason"]) == (CALLER, "blocked")
    assert call["metadata"] == {} and "Twilio" not in json.dumps(gateway.events(call["id"]))
