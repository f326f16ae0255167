"""Taking all of ours down, beside a dialer that keeps what it last read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.kit.far_end import FakeAdapter, FarEnd, Naps, Thing
from trunks.apply import Outcome, Result
from trunks.destroy import SETTLED, destruction, take_down
from trunks.errors import TrunkError
from trunks.looking import look
from trunks.patience import Patience
from trunks.resources import Found, Value


def kept(name: str = "acme/main") -> Thing:
    fields: Mapping[str, Value] = {"password": "a password of 16"}
    return Thing("outbound_trunk", name, dict(fields), {})


def beside(dialer: Callable[[], object], naps: Naps) -> Patience:
    """Give a patience in whose naps a dialer does its work."""

    async def sleep(seconds: float) -> None:
        await naps.sleep(seconds)
        dialer()

    return replace(naps.patience, sleep=sleep)


async def taken_down(adapter: FakeAdapter, patience: Patience) -> list[Result]:
    doom = destruction(await look([adapter], patience))
    return await take_down(doom, [adapter], patience=patience)


async def test_what_a_dialer_made_anew_from_its_old_list_is_deleted_too() -> None:
    far_end, naps, old_list = FarEnd(), Naps(), [kept()]
    far_end.add(kept())

    def dialer() -> None:
        if old_list:
            far_end.add(old_list.pop())

    results = await taken_down(FakeAdapter(far_end), beside(dialer, naps))
    assert far_end.things == {}
    assert [result.outcome for result in results] == [Outcome.DONE, Outcome.DONE]
    assert naps.taken == [SETTLED, SETTLED], "it looked until nothing was back"


async def test_one_who_never_stops_making_it_is_not_fought_for_ever() -> None:
    far_end, naps = FarEnd(), Naps()
    far_end.add(kept())
    await taken_down(FakeAdapter(far_end), beside(lambda: far_end.add(kept()), naps))
    assert naps.taken == [SETTLED] * 3


async def test_what_is_not_ours_or_is_new_is_left_alone() -> None:
    far_end, naps, made = FarEnd(), Naps(), [kept("by hand"), kept("acme/another")]
    far_end.add(kept())

    def others() -> None:
        while made:
            far_end.add(made.pop())

    await taken_down(FakeAdapter(far_end), beside(others, naps))
    assert sorted(one.name for one in far_end.things.values()) == ["acme/another", "by hand"]


async def test_what_was_refused_is_told_once_and_nobody_waits_for_it() -> None:
    class Refusing(FakeAdapter):
        async def delete(self, found: Found) -> None:
            raise TrunkError("refused", "It stays.", "Do it by hand.")

    far_end, naps = FarEnd(), Naps()
    far_end.add(kept())
    results = await taken_down(Refusing(far_end), naps.patience)
    assert [result.outcome for result in results] == [Outcome.FAILED]
    assert naps.taken == []
