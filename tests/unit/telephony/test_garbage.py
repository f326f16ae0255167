"""What a process holds when it has started is looked through for garbage once, and never again."""

from __future__ import annotations

import gc
import weakref

from telephony import garbage


class Node:
    """Something that can be part of a ring."""

    me: Node


def lost_ring() -> weakref.ref[Node]:
    """Make what only a collection finds, and give a look at it."""
    ring = Node()
    ring.me = ring
    return weakref.ref(ring)


def test_what_is_there_is_in_no_later_collection() -> None:
    stays = Node()
    assert any(one is stays for one in gc.get_objects(generation=0))
    garbage.spare_what_stays()
    assert gc.get_freeze_count() > 10_000
    assert not any(one is stays for one in gc.get_objects())


def test_what_was_garbage_before_is_put_away_and_not_kept() -> None:
    gone = lost_ring()
    garbage.spare_what_stays()
    assert gone() is None


def test_what_becomes_garbage_later_is_still_found() -> None:
    garbage.spare_what_stays()
    gone = lost_ring()
    gc.collect()
    assert gone() is None
