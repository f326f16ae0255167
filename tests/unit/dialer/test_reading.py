"""Strict JSON: nothing that two readers could understand differently."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.calls.schemas import depth
from dialer.problems import BadRequest
from dialer.reading import loads

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert loads(json.dumps(value).encode()) == value
    assert loads(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_one_refusal(raw: bytes) -> None:
    refused: BadRequest | None = None
    try:
        loads(raw)
    except BadRequest as error:
        refused = error
    if refused is not None:
        assert refused.code in ("invalid_json", "too_deep")
        assert refused.code == "too_deep" or isinstance(refused.offset, int)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": [{"a": 1}, {"a": 2}], "b": {"a": 1}}',
        b'{"a": "a", "b": "a:b", "c": "{\\"c\\": 1, \\"c\\": 2}"}',
        b'["NaN", "Infinity", "a", "a"]',
    ],
)
def test_the_same_word_in_other_places_is_no_key_twice(raw: bytes) -> None:
    assert loads(raw) == json.loads(raw)


@pytest.mark.timeout(60)
def test_a_text_without_an_end_is_looked_through_once() -> None:
    # Looked through from each of its quotes, it would take the process for minutes.
    with pytest.raises(BadRequest) as caught:
        loads(b'"' + b'\\"' * 130_000)
    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize(("value", "deep"), [(1, 0), ({}, 1), ({"a": []}, 2), ([[[1]], 2], 3)])
def test_depth_counts_what_lies_in_each_other(value: Any, deep: int) -> None:
    assert depth(value) == deep
