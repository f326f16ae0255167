"""Things to want, briefly."""

from __future__ import annotations

from trunks.resources import Key, Value, Wanted

PLACE = "fake:main"


def key(kind: str, name: str, place: str = PLACE) -> Key:
    """Give the key of a thing of ours."""
    return Key(place, kind, f"acme/{name}")


def want(
    kind: str, name: str, *, claim: str = "", secrets: str = "", place: str = PLACE, **rest: Value
) -> Wanted:
    """Want a thing; a field named ``of_<kind>`` refers to the thing of that kind and this name."""
    refs = {
        field.removeprefix("of_"): key(field.removeprefix("of_"), str(value), place)
        for field, value in rest.items()
        if field.startswith("of_")
    }
    fields = {field: value for field, value in rest.items() if not field.startswith("of_")}
    return Wanted(
        key(kind, name, place),
        fields,
        secrets=frozenset(secrets.split()),
        refs=refs,
        claims=frozenset({claim} if claim else ()),
    )
