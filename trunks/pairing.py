"""Which of the things that are there is which of those that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trunks.resources import Found, Key, Wanted


class Pairs:
    """The pairs.

    Shape: ``taken`` is what becomes of each key; ``in_the_way`` is what has no mark and holds what
    a key must have.
    """

    def __init__(
        self,
        wanted: Sequence[Wanted],
        found: Sequence[Found],
        *,
        adopting: Mapping[Key, str],
        distance: Callable[[Wanted, Found], int],
    ) -> None:
        self.taken: dict[Key, Found] = {}
        self.in_the_way: dict[Key, Found] = {}
        self._wanted = {one.key for one in wanted}
        self._adopted = {(key.place, key.kind, id): key for key, id in adopting.items()}
        self._take_marked(wanted, found, distance)
        self._take_adopted(found)
        self._look_at_claims(wanted, found)
        # By themselves: the same list on two trunks is two things with one id.
        self._used = {id(one) for one in self.taken.values()}

    def uses(self, found: Found) -> bool:
        """Tell whether a thing is paired."""
        return id(found) in self._used

    def why_not(self, found: Found) -> str:
        """Tell why a thing with our mark is paired with nothing."""
        twice = found.key in self._wanted
        return "another one does the same" if twice else "the file no longer wants it"

    def _take_marked(
        self,
        wanted: Sequence[Wanted],
        found: Sequence[Found],
        distance: Callable[[Wanted, Found], int],
    ) -> None:
        ours: dict[Key, list[Found]] = {}
        for one in found:
            if one.key is not None:
                ours.setdefault(one.key, []).append(one)
        for one in wanted:
            same = ours.get(one.key, [])
            if len(same) == 1:
                self.taken[one.key] = same[0]
            elif same:
                self.taken[one.key] = min(same, key=lambda other, one=one: distance(one, other))

    def _take_adopted(self, found: Sequence[Found]) -> None:
        for one in found:
            key = self._adopts(one)
            if one.key is None and key in self._wanted:
                self.taken.setdefault(key, one)

    def _adopts(self, found: Found) -> Key | None:
        return self._adopted.get((found.at[0], found.what, found.at[1]))

    def _look_at_claims(self, wanted: Sequence[Wanted], found: Sequence[Found]) -> None:
        holders = {(one.at[0], claim): one for one in found for claim in one.claims}
        renamed: set[int] = set()
        for one in wanted:
            for claim in sorted(one.claims):
                holder = holders.get((one.key.place, claim))
                if holder is None or self.taken.get(one.key) is holder:
                    continue
                if holder.key is None and self._adopts(holder) is None:
                    self.in_the_way[one.key] = holder
                elif self._was_renamed(one, holder) and id(holder) not in renamed:
                    renamed.add(id(holder))
                    self.taken[one.key] = holder

    def _was_renamed(self, wanted: Wanted, holder: Found) -> bool:
        """Tell whether what we made under a name that nobody wants any more goes on under this."""
        return (
            wanted.key not in self.taken
            and holder.key is not None
            and holder.key not in self._wanted
            and holder.key.kind == wanted.key.kind
        )
