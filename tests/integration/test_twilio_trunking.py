"""A file becomes trunks at Twilio, whatever happens on the way."""

from __future__ import annotations

import httpx
import pytest

from tests.kit.twilio_standin import Killed
from tests.kit.twilio_world import (
    FULL,
    NUMBER,
    OTHER_NUMBER,
    PASSWORD,
    a_file,
    a_trunk,
    an_account,
    applied,
    picture,
    planned,
)
from trunks.errors import TrunkError

# -- the way there


async def test_an_empty_account_gets_the_whole_trunk() -> None:
    twilio = an_account()
    await applied(twilio, a_file(main=FULL))
    assert picture(twilio)["trunks"] == [
        {
            "friendly_name": "acme/main",
            "domain_name": "acme-main.pstn.twilio.com",
            "secure": False,
            "transfer_mode": "sip-only",
            "transfer_caller_id": "from-transferee",
            "cnam_lookup_enabled": True,
            "disaster_recovery_url": "https://example.com/sorry",
            "disaster_recovery_method": "POST",
            "recording": {"mode": "record-from-answer", "trim": "do-not-trim"},
            "urls": [
                ("sip:203.0.113.7:5060", 10, 10, True),
                ("sip:203.0.113.8:5061;transport=tls", 10, 20, True),
            ],
            "numbers": [NUMBER, OTHER_NUMBER],
            "lists": [("addresses", "acme/main"), ("credentials", picture(twilio)["lists"][1])],
        }
    ]
    assert picture(twilio)["credentials"] == [("acme", PASSWORD)]
    assert picture(twilio)["addresses"] == [("198.51.100.0", 28), ("203.0.113.7", 32)]


async def test_applying_again_writes_nothing() -> None:
    twilio = an_account()
    await applied(twilio, a_file(main=FULL))
    written = len(twilio.writes())
    again = await applied(twilio, a_file(main=FULL))
    assert again.pending == ()
    assert len(twilio.writes()) == written


async def test_a_trunk_no_longer_wanted_is_deleted_with_all_that_was_made_for_it() -> None:
    twilio = an_account()
    await applied(twilio, a_file(main=FULL))
    await applied(twilio, a_file(numbers={}, other=a_trunk(domain="acme-other")))
    assert [trunk["friendly_name"] for trunk in twilio.state.of("TK")] == ["acme/other"]
    assert len(twilio.state.of("CL")) == len(twilio.state.of("AL")) == 1
    assert [number["trunk_sid"] for number in twilio.state.of("PN")] == [None, None]


async def test_a_trunk_with_another_name_in_the_file_stays_the_same_trunk() -> None:
    twilio = an_account()
    await applied(twilio, a_file())
    [before] = twilio.state.of("TK")
    renamed = a_file(numbers={NUMBER: "first", OTHER_NUMBER: "first"}, first=a_trunk())
    await applied(twilio, renamed)
    [after] = twilio.state.of("TK")
    assert (after["sid"], after["friendly_name"]) == (before["sid"], "acme/first")
    assert (await planned(twilio, renamed)).pending == ()


# -- killed, and failing


async def test_killed_at_every_request_in_turn_it_ends_in_the_same_state() -> None:
    undisturbed = an_account()
    await applied(undisturbed, a_file(main=FULL))
    requests = len(undisturbed.exchanges)
    assert requests > 15
    # Killed before a request is killed after the one before it: the account cannot tell.
    for at in range(1, requests + 1):
        twilio = an_account()
        twilio.fail(at, Killed, after=True)
        with pytest.raises(Killed):
            await applied(twilio, a_file(main=FULL))
        await applied(twilio, a_file(main=FULL))
        assert picture(twilio) == picture(undisturbed), at
        assert (await planned(twilio, a_file(main=FULL))).pending == ()


async def test_killed_while_a_renamed_trunk_moves_it_ends_in_the_same_state() -> None:
    renamed = a_file(numbers={NUMBER: "first", OTHER_NUMBER: "first"}, first=a_trunk())
    undisturbed = an_account()
    await applied(undisturbed, a_file())
    before = len(undisturbed.exchanges)
    await applied(undisturbed, renamed)
    asked = undisturbed.exchanges[before:]
    for at in (number for number, exchange in enumerate(asked, start=1) if exchange.writes):
        twilio = an_account()
        await applied(twilio, a_file())
        twilio.fail(at, Killed, after=True)
        with pytest.raises(Killed):
            await applied(twilio, renamed)
        await applied(twilio, renamed)
        assert picture(twilio) == picture(undisturbed), at


@pytest.mark.parametrize(
    ("what", "after", "codes", "retry_after"),
    [
        # Of a request that follows another of the same step: something was done already.
        (429, False, {"rate_limited", "carrier_error"}, 2.0),
        (500, True, {"carrier_error"}, 2.0),
        (503, False, {"carrier_error"}, 2.0),
        (httpx.ReadTimeout, True, {"timeout"}, None),
        (httpx.ConnectTimeout, False, {"unreachable"}, None),
        (httpx.ConnectError, False, {"unreachable"}, None),
        (httpx.RemoteProtocolError, True, {"timeout"}, None),
    ],
)
async def test_a_failure_at_any_write_is_told_and_the_next_run_completes_it(
    what: int | type[BaseException], after: bool, codes: set[str], retry_after: float | None
) -> None:
    undisturbed = an_account()
    await applied(undisturbed, a_file(main=FULL))
    reads = len(undisturbed.exchanges) - len(undisturbed.writes())
    for at in range(reads + 1, len(undisturbed.exchanges) + 1, 3):
        twilio = an_account()
        twilio.fail(at, what, after=after, headers={"Retry-After": "2"})
        with pytest.raises(TrunkError) as failure:
            await applied(twilio, a_file(main=FULL))
        assert failure.value.code in codes
        assert failure.value.retryable
        assert failure.value.retry_after == retry_after
        assert failure.value.fix
        await applied(twilio, a_file(main=FULL))
        assert picture(twilio) == picture(undisturbed), at


# -- how much is asked


async def test_each_list_is_fetched_once_whatever_the_number_of_trunks() -> None:
    twilio = an_account(*(f"+1415555{n:04d}" for n in range(100, 130)))
    trunks = {f"t{n}": a_trunk(domain=f"acme-{n}") for n in range(10)}
    numbers = {f"+1415555{n:04d}": f"t{n % 10}" for n in range(100, 130)}
    for n in range(5):
        twilio.state.create_trunk({"FriendlyName": f"theirs {n}"})
    await applied(twilio, a_file(numbers=numbers, **trunks))
    before = len(twilio.exchanges)
    assert (await planned(twilio, a_file(numbers=numbers, **trunks))).pending == ()
    assert len(twilio.exchanges) - before == 4 + 5 * len(trunks)


async def test_lists_of_many_pages_are_read_to_their_end() -> None:
    twilio = an_account()
    await applied(twilio, a_file(main=FULL))
    twilio.largest_page = 1
    assert (await planned(twilio, a_file(main=FULL))).pending == ()
