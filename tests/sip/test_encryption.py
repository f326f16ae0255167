"""SIP over TLS and SRTP, in and out, with certificates of an authority of the sandbox's own."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from livekit import api
from pydantic import SecretStr

from dialer.adapters.probing_phone import ProbingPhone
from sandbox.certificates import Authority
from tests.kit.by_livekit_alone import (
    call_in,
    desk,
    dialling,
    hang_up_in,
    outbound_trunk,
    record_of,
)
from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.processes import processes, times_ready
from tests.kit.running import sandbox
from tests.kit.sip_answerer import over_tcp, saying
from tests.kit.until import until, until_sync
from trunks.desired import LiveKit
from trunks.doctor import handshake
from trunks.doctor.calling import cause_of
from trunks.doctor.subject import Subject

SRTP_ONLY = "+14155550160"
NO_SRTP = "+14155550161"
ANSWERS_IN_CLEAR = "+14155550162"
TALKS = "+14155550150"
OURS = "+14155550170"
SUITE = "AES_CM_128_HMAC_SHA1_80"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give a sandbox whose SIP goes over TLS, and whose trunk requires SRTP."""
    state = tmp_path_factory.mktemp("encryption")
    with sandbox(state, "--tls", "require", "--without", "worker-2") as description:
        yield description


def complete(ledger: CarrierLedger, number: str, since: datetime) -> CarrierCall:
    """Give the one call to a number once it is over at the carrier."""

    def over() -> CarrierCall | None:
        found = ledger.calls(number, since=since)
        return ledger.only_call(number, since=since) if found and found[0].complete else None

    return until_sync(over, 20, what="the carrier's side is over")


def never_in_clear(call: CarrierCall) -> bool:
    """Tell whether every message went over TLS, and every packet carried the other side's seal."""
    over_tls = {message["transport"] for message in call.raw["messages"]} == {"tls"}
    media = (call.rtp["profile"], call.rtp["crypto"], call.rtp["packets_refused"])
    return over_tls and media == ("RTP/SAVP", SUITE, 0)


def test_a_call_over_tls_and_srtp_is_rung_once_heard_by_both_and_never_in_clear(
    gateway: Gateway, ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    call_id = gateway.place(SRTP_ONLY)["id"]
    gateway.until_status(call_id, "in_progress")
    until_sync(lambda: callees(gateway, call_id), 60, what="the agent hears the phone")
    gateway.hang_up(call_id)
    ended = gateway.until_ended(call_id)

    assert ended["outcome"] == "completed", gateway.events(ended["id"])
    call = complete(ledger, SRTP_ONLY, since)
    assert call.invites == 1
    assert never_in_clear(call), call.raw
    assert call.rtp["packets_audible"] > 50, "the greeting did not reach the phone"
    assert callees(gateway, call_id)[0]["text"]


def callees(gateway: Gateway, call_id: str) -> list[dict[str, Any]]:
    """List what the agent understood of the callee."""
    return [turn for turn in gateway.turns(call_id) if turn["speaker"] == "callee"]


@pytest.mark.slow
def test_a_carrier_without_srtp_refuses_and_the_call_ends_as_codec(
    gateway: Gateway, ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    ended = gateway.until_ended(gateway.place(NO_SRTP)["id"])

    told = (ended["outcome"], ended["ended_reason"], ended["sip"]["status_code"])
    assert told == ("failed", "codec", 488)
    call = complete(ledger, NO_SRTP, since)
    assert (call.invites, call.raw["ringing_at"]) == (1, None)


@pytest.mark.slow
def test_a_carrier_that_answers_srtp_in_clear_is_not_spoken_to(
    gateway: Gateway, ledger: CarrierLedger
) -> None:
    """The bridge finds no common crypto, hangs up, and tells no SIP code: there was a 200."""
    since = datetime.now(UTC)
    ended = gateway.until_ended(gateway.place(ANSWERS_IN_CLEAR)["id"])

    assert (ended["outcome"], ended["ended_reason"]) == ("failed", "trunk_misconfigured")
    call = complete(ledger, ANSWERS_IN_CLEAR, since)
    assert call.invites == 1
    assert call.rtp["packets_received"] == 0, "the carrier was spoken to in clear"
    assert call.received("BYE")


@pytest.mark.slow
def test_a_carrier_whose_certificate_nobody_vouches_for_is_told_nothing(
    gateway: Gateway, ledger: CarrierLedger, running: dict[str, Any], tmp_path: Path
) -> None:
    since = datetime.now(UTC)
    with impostor(running, tmp_path):
        ended = gateway.until_ended(gateway.place(TALKS)["id"])
        assert (ended["outcome"], ended["ended_reason"]) == ("failed", "trunk_misconfigured")
        assert ledger.calls(TALKS, since=since) == []
        permits = [e for e in gateway.events(ended["id"]) if e["type"] == "call.dialing"]
        assert len(permits) == 1, "it was dialled again"

    # With its own certificate the carrier is called again, and no bridge had to be restarted.
    ended = gateway.until_ended(gateway.place(SRTP_ONLY)["id"], timeout=120)
    assert ended["outcome"] == "completed", gateway.events(ended["id"])


@pytest.mark.slow
async def test_the_doctor_explains_a_foreign_authority_and_an_answer_in_clear(
    running: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = Authority(Path(running["certificates_dir"])).certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    livekit = LiveKit(
        url=running["livekit_url"],
        api_key=running["livekit_api_key"],
        api_secret=SecretStr(running["livekit_api_secret"]),
    )
    trunk = Subject(
        name="main",
        origin="the file",
        livekit_name="main",
        address=running["carrier_address"],
        transport="tls",
    )
    phone = ProbingPhone(livekit)
    assert [finding.cause async for finding in handshake.probe(trunk)] == [""]
    async with outbound_trunk(running, "require") as trunk_id:
        in_clear = await phone.call(trunk_id, ANSWERS_IN_CLEAR, caller="")
        with impostor(running, tmp_path):
            foreign = await phone.call(trunk_id, TALKS, caller="")
            shown = [finding async for finding in handshake.probe(trunk)]
    async with (
        over_tcp(saying("400 Bad Request"), greeting=b"SIP/2.0 400 Bad Request\r\n\r\n") as plain,
        outbound_trunk(running, "require", f"127.0.0.1:{plain.port}") as trunk_id,
    ):
        no_tls = await phone.call(trunk_id, TALKS, caller="")
    assert cause_of(no_tls) == "no_tls", no_tls
    assert cause_of(in_clear) == "answered_in_clear", in_clear
    assert cause_of(foreign) == "unknown_authority", foreign
    assert [finding.cause for finding in shown] == ["unknown_authority"]


@contextmanager
def impostor(running: dict[str, Any], folder: Path) -> Generator[None]:
    """Let the carrier be known by a certificate of another authority until the block ends."""
    foreign = Authority(folder)
    foreign.make()
    shown = Authority(Path(running["certificates_dir"])).identity("carrier")
    wrong = foreign.issue("carrier")
    right = {path: path.read_bytes() for path in (shown.certificate, shown.key)}
    shown.certificate.write_bytes(wrong.certificate.read_bytes())
    shown.key.write_bytes(wrong.key.read_bytes())
    restart_carrier(running)
    try:
        yield
    finally:
        for path, content in right.items():
            path.write_bytes(content)
        restart_carrier(running)


def restart_carrier(running: dict[str, Any]) -> None:
    """Close the carrier's connections, too: a certificate is looked at when one begins."""
    before = times_ready(running, "carrier")
    os.kill(processes(running)["carrier"], signal.SIGKILL)
    until_sync(lambda: times_ready(running, "carrier") > before, 30, what="the carrier is back")


@pytest.mark.slow
async def test_allow_offers_srtp_alone_and_takes_an_answer_in_clear(
    running: dict[str, Any], ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    async with desk(running, OURS, "disable") as seat, dialling(running, "allow") as dial:
        with pytest.raises(api.SipCallError) as refused:
            await dial(NO_SRTP, seat.room)
        assert refused.value.sip_status_code == 488

        await dial(ANSWERS_IN_CLEAR, seat.room)
        await until(
            lambda: ledger.only_call(ANSWERS_IN_CLEAR, since=since).rtp["packets_audible"] > 50,
            20,
            what="the carrier is spoken to",
        )
        assert ledger.only_call(ANSWERS_IN_CLEAR, since=since).rtp["profile"] == "RTP/AVP"


@pytest.mark.slow
async def test_a_call_in_over_tls_and_srtp_is_taken_and_both_sides_hear(
    running: dict[str, Any],
) -> None:
    async with desk(running, OURS, "require") as seat:
        call = await call_in(running, OURS, transport="tls", srtp=True)

        async def both_hear() -> bool:
            now = await record_of(running, call)
            return seat.heard > 20 and now.rtp["packets_audible"] > 50

        await until(both_hear, 30, what="both sides hear")
        await hang_up_in(running, call)

        async def over() -> CarrierCall | None:
            now = await record_of(running, call)
            return now if now.complete else None

        ended = await until(over, 20, what="the carrier's side is over")
        assert ended.raw["final_status"] == 200
        assert never_in_clear(ended), ended.raw


@pytest.mark.slow
async def test_a_call_in_without_srtp_is_refused_where_the_trunk_requires_it(
    running: dict[str, Any],
) -> None:
    async with desk(running, OURS, "require") as seat:
        call = await call_in(running, OURS, transport="tls")

        async def refused() -> CarrierCall | None:
            now = await record_of(running, call)
            return now if now.complete else None

        ended = await until(refused, 30, what="the call is refused")
        # livekit-sip says 400 and not 488 where the offer has no key that it could take.
        assert ended.raw["final_status"] == 400
        assert seat.callers == set()


@pytest.mark.slow
async def test_a_call_in_is_taken_as_it_comes_where_the_trunk_allows_srtp(
    running: dict[str, Any],
) -> None:
    async with desk(running, OURS, "allow") as seat:
        for srtp, profile in ((True, "RTP/SAVP"), (False, "RTP/AVP")):
            before = seat.heard
            call = await call_in(running, OURS, transport="tls", srtp=srtp)

            async def both_hear(before: int = before, call: CarrierCall = call) -> bool:
                now = await record_of(running, call)
                return seat.heard > before + 20 and now.rtp["packets_audible"] > 50

            await until(both_hear, 30, what=f"both sides hear over {profile}")
            assert (await record_of(running, call)).rtp["profile"] == profile
            await hang_up_in(running, call)

            async def over(call: CarrierCall = call) -> bool:
                return (await record_of(running, call)).complete

            await until(over, 20, what="it is over")
