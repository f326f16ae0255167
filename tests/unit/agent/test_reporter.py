"""Events reach the dialer in order, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.dialer_client import DialerClient, PermitAnswer, Rejected, Unreachable
from agent.reporter import Deliveries
from agent.spool import Owner, Spool, leftovers
from telephony.call import EndedBy, EndedReason
from telephony.events import Ended, EventType
from telephony.worker_contract import EventBatch, ReportedEvent
from tests.kit.fake_dialer import FakeDialer
from tests.kit.until import until

OWNER = Owner("call_1", "att_1", "token-1")
END = Ended(ended_reason=EndedReason.BUSY, ended_by=EndedBy.CALLEE)


def event() -> ReportedEvent:
    """Make an event."""
    return ReportedEvent(
        sequence=1, type=EventType.CALL_DIALING, occurred_at=datetime.now(UTC), data={}
    )


class Dialer:
    """Takes events, or not."""

    def __init__(self) -> None:
        self.down = False
        self.broken = False
        self.status: int | None = None
        self.types: list[str] = []
        self.sequences: list[int] = []
        self.asked = 0

    async def events(self, attempt_id: str, token: str, batch: EventBatch) -> int:
        self.asked += 1
        assert attempt_id == "att_1"
        assert token in ("token-1", "token-2")
        if self.down:
            raise Unreachable
        if self.broken:
            raise RuntimeError("secret")
        if self.status is not None:
            raise Rejected(self.status)
        self.types += [event.type for event in batch.events]
        self.sequences += [event.sequence for event in batch.events]
        return batch.events[-1].sequence


@pytest.mark.asyncio
async def test_events_arrive_in_order_and_the_spool_is_gone_after_the_last(tmp_path: Path) -> None:
    dialer = Dialer()
    reporter = Deliveries(dialer, tmp_path).reporter(OWNER)
    for type_ in (EventType.CALL_AGENT_READY, EventType.CALL_DIALING, EventType.CALL_RINGING):
        reporter.report(type_)
    reporter.report(EventType.CALL_ENDED, END)
    reporter.close()
    await until(lambda: dialer.sequences == [1, 2, 3, 4])
    assert dialer.types[-1] == "call.ended"
    await until(lambda: not list(tmp_path.iterdir()), what="the spool file is removed")


@pytest.mark.asyncio
async def test_nothing_is_reported_after_the_end(tmp_path: Path) -> None:
    dialer = Dialer()
    reporter = Deliveries(dialer, tmp_path).reporter(OWNER)
    reporter.report(EventType.CALL_ENDED, END)
    reporter.close()
    reporter.report(EventType.CALL_RINGING)
    await until(lambda: not list(tmp_path.iterdir()))
    assert dialer.types == ["call.ended"]


@pytest.mark.asyncio
async def test_a_dialer_that_is_away_gets_everything_once_it_is_back(tmp_path: Path) -> None:
    dialer = Dialer()
    dialer.down = True
    reporter = Deliveries(dialer, tmp_path).reporter(OWNER)
    reporter.report(EventType.CALL_DIALING)
    await until(lambda: dialer.asked >= 2)
    reporter.report(EventType.CALL_ENDED, END)
    reporter.close()
    dialer.down = False
    await until(lambda: dialer.sequences == [1, 2])


@pytest.mark.asyncio
async def test_the_spool_is_for_its_owner_only_and_names_the_attempt_first(tmp_path: Path) -> None:
    dialer = Dialer()
    dialer.down = True
    deliveries = Deliveries(dialer, tmp_path)
    deliveries.reporter(OWNER).report(EventType.CALL_DIALING)
    await deliveries.settle(0)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    head, event = file.read_text().splitlines()
    assert json.loads(head)["attempt_id"] == "att_1"
    assert json.loads(event)["type"] == "call.dialing"


@pytest.mark.asyncio
async def test_a_killed_worker_s_events_are_delivered_by_its_next_life(tmp_path: Path) -> None:
    away = Dialer()
    away.down = True
    killed = Deliveries(away, tmp_path)
    reporter = killed.reporter(OWNER)
    reporter.report(EventType.CALL_DIALING)
    reporter.report(EventType.CALL_RINGING)
    await killed.settle(0)
    (file,) = tmp_path.iterdir()
    with file.open("a") as torn:
        torn.write('{"sequence": 3, "type": "call.an')
    dialer = Dialer()
    assert Deliveries(dialer, tmp_path).replay() == 1
    await until(lambda: dialer.sequences == [1, 2])
    await until(lambda: not list(tmp_path.iterdir()))


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_events_that_are_never_taken_are_set_aside(tmp_path: Path, status: int) -> None:
    dialer = Dialer()
    dialer.status = status
    reporter = Deliveries(dialer, tmp_path).reporter(OWNER)
    reporter.report(EventType.CALL_DIALING)
    await until(lambda: [file.suffix for file in tmp_path.iterdir()] == [".rejected"])
    assert dialer.asked == 1
    assert leftovers(tmp_path) == []


@pytest.mark.asyncio
async def test_a_disk_that_refuses_does_not_stop_the_call_nor_its_events(tmp_path: Path) -> None:
    blocked = tmp_path / "file-in-the-way"
    blocked.write_text("")
    dialer = Dialer()
    reporter = Deliveries(dialer, blocked / "spool").reporter(OWNER)
    reporter.report(EventType.CALL_DIALING)
    reporter.report(EventType.CALL_ENDED, END)
    reporter.close()
    await until(lambda: dialer.sequences == [1, 2])


@pytest.mark.asyncio
async def test_a_spool_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "att_x.jsonl").write_text("not json\n")
    assert Deliveries(Dialer(), tmp_path).replay() == 0
    assert [file.suffix for file in tmp_path.iterdir()] == [".rejected"]


def test_an_attempt_id_that_is_a_path_names_no_file(tmp_path: Path) -> None:
    async def try_it() -> None:
        Deliveries(Dialer(), tmp_path).reporter(Owner("c", "../evil", "t"))

    with pytest.raises(ValueError, match="cannot name a file"):
        asyncio.run(try_it())


@pytest.mark.asyncio
async def test_two_dispatches_of_one_attempt_never_share_a_spool_file(tmp_path: Path) -> None:
    dialer = Dialer()
    dialer.down = True
    deliveries = Deliveries(dialer, tmp_path)
    for token in ("token-1", "token-2", "token-2"):
        deliveries.reporter(Owner("call_1", "att_1", token)).report(EventType.CALL_DIALING)
    await deliveries.settle(0)
    assert len(list(tmp_path.iterdir())) == 3
    found = leftovers(tmp_path)
    assert sorted(owner.token for owner, _, _ in found) == ["token-1", "token-2", "token-2"]
    found[0][1].remove()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.asyncio
async def test_a_spool_that_wrote_nothing_deletes_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, OWNER)
    spool.append(event())
    spool.close()
    Spool(tmp_path, OWNER).remove()
    Spool(tmp_path, OWNER).set_aside()
    assert [file.suffix for file in tmp_path.iterdir()] == [".jsonl"]


@pytest.mark.asyncio
async def test_what_a_call_reports_after_a_rejection_makes_no_file_anew(tmp_path: Path) -> None:
    dialer = Dialer()
    dialer.status = 410
    reporter = Deliveries(dialer, tmp_path).reporter(OWNER)
    reporter.report(EventType.CALL_DIALING)
    await until(lambda: [file.suffix for file in tmp_path.iterdir()] == [".rejected"])
    reporter.report(EventType.CALL_RINGING)
    reporter.close()
    assert [file.suffix for file in tmp_path.iterdir()] == [".rejected"]


async def test_what_is_set_aside_is_added_to_what_was_before(tmp_path: Path) -> None:
    for _ in range(2):
        spool = Spool(tmp_path, OWNER)
        spool.append(event())
        spool.set_aside()
    (kept,) = tmp_path.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [line.get("type") for line in lines] == [None, "call.dialing"] * 2


async def test_a_file_that_is_closed_while_a_job_writes_does_not_stop_the_call(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path, OWNER)
    spool.append(event())
    file = spool._file  # pyright: ignore[reportPrivateUsage]
    assert file is not None
    file.close()
    with capture_logs() as logs:
        spool.append(event())
        spool.append(event())
    assert [line["event"] for line in logs] == ["spool_not_written"]


@pytest.mark.asyncio
async def test_an_outage_is_logged_once_and_a_dead_delivery_too(tmp_path: Path) -> None:
    dialer = Dialer()
    dialer.down = True
    with capture_logs() as logs:
        deliveries = Deliveries(dialer, tmp_path)
        for token in ("token-1", "token-2"):
            deliveries.reporter(Owner("call_1", "att_1", token)).report(EventType.CALL_DIALING)
        await until(lambda: dialer.asked >= 4)
        dialer.down, dialer.broken = False, True
        await until(lambda: [line for line in logs if line["event"] == "delivery_died"][1:])
    assert [line["event"] for line in logs].count("events_not_delivered") == 1
    assert "secret" not in str(logs)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.asyncio
async def test_an_answer_that_is_not_the_dialer_s_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [b"<html>", b'{"granted": true}']

    async def send(*_: object) -> bytes:
        return answers.pop(0)

    client = DialerClient(["http://127.0.0.1:1"], "w", "t")
    monkeypatch.setattr(client, "_send", send)
    assert await client.permit("att_1", "token-1") is PermitAnswer.GRANTED
    answers.append(b"null")
    with pytest.raises(Unreachable):
        await client.events("att_1", "token-1", EventBatch(events=[event()]))


@pytest.mark.asyncio
@pytest.mark.fault("F3")
async def test_an_asking_that_is_cancelled_between_two_tries_is_withdrawn() -> None:
    dialer = FakeDialer(failing=503)
    await dialer.start()
    client = DialerClient([dialer.url], "w", "t")
    try:
        asking = asyncio.ensure_future(client.permit("att_1", "token-1"))
        await asyncio.sleep(0.1)
        asking.cancel()
        await asyncio.wait([asking])
        dialer.failing = None
        await until(lambda: dialer.withdrawn, timeout=10)
    finally:
        await client.aclose()
        await dialer.stop()


@pytest.mark.asyncio
@pytest.mark.fault("F3")
async def test_an_asking_that_hears_nothing_is_withdrawn_once_the_dialer_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.dialer_client._PERMIT_PATIENCE", 0.1)
    dialer = FakeDialer(failing=503)
    await dialer.start()
    client = DialerClient([dialer.url], "w", "t")
    try:
        assert await client.permit("att_1", "token-1") is PermitAnswer.UNREACHABLE
        dialer.failing = None
        await until(lambda: dialer.withdrawn, timeout=10)
        assert await client.permit("att_1", "token-1") is PermitAnswer.GRANTED
        assert len(dialer.withdrawn) == 1
    finally:
        await client.aclose()
        await dialer.stop()
