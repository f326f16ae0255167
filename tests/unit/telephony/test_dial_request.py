"""The job metadata survives the way to the worker, and what is none of it is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from telephony.call import CallType
from telephony.dial_request import AgentConfig, DialRequest, Limits, Models

NUMBER = "+14155550100"

# Half of a surrogate pair is no character: it is refused at the edge, long before this contract.
texts = st.text(st.characters(codec="utf-8"), max_size=20)
plain = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), texts
)
values = st.recursive(
    plain,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)

agents = st.builds(
    AgentConfig,
    name=texts,
    instructions=texts,
    greeting=texts,
    goodbye=texts,
    models=st.builds(Models, stt=texts, llm=texts, tts=texts),
    silence_timeout_seconds=st.floats(min_value=3, max_value=600),
)
requests = st.builds(
    DialRequest,
    call_id=texts,
    attempt_id=texts,
    attempt_token=texts,
    call_type=st.sampled_from(CallType),
    phone_number=st.none() | st.just(NUMBER),
    caller_id=st.none() | st.just(NUMBER),
    trunk_id=st.none() | texts,
    limits=st.builds(
        Limits,
        ring_timeout_seconds=st.integers(5, 80),
        max_duration_seconds=st.integers(10, 14_400),
    ),
    agent=agents,
    variables=st.dictionaries(texts, texts, max_size=3),
    metadata=st.dictionaries(
        texts, values.filter(lambda value: value not in (float("inf"), float("-inf"))), max_size=3
    ).filter(lambda found: "Infinity" not in json.dumps(found)),
)


def read(text: str) -> DialRequest | None:
    """Read it; only the documented error may come of it."""
    try:
        return DialRequest.from_metadata(text)
    except ValidationError:
        return None


@given(requests)
def test_what_is_written_is_read_again(request: DialRequest) -> None:
    assert DialRequest.from_metadata(request.to_metadata()) == request


@given(requests)
def test_neither_numbers_nor_words_are_in_its_repr(request: DialRequest) -> None:
    assert NUMBER not in repr(request)


@given(st.text(max_size=200) | values.map(json.dumps))
def test_any_text_is_read_or_refused_by_the_documented_error(text: str) -> None:
    # Nothing that short and unmeant has all that a request needs.
    assert read(text) is None


@given(requests, st.data())
def test_a_request_that_was_cut_or_garbled_is_refused_or_still_a_request(
    request: DialRequest, data: st.DataObject
) -> None:
    text = request.to_metadata()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 8)))
    garbled = text[:start] + data.draw(st.text(max_size=4)) + text[end:]
    found = read(garbled)
    if found is not None:
        assert DialRequest.from_metadata(found.to_metadata()) == found


@given(requests, values, st.data())
def test_a_request_with_one_part_replaced_is_refused_or_a_whole_request(
    request: DialRequest, value: Any, data: st.DataObject
) -> None:
    plain: dict[str, Any] = json.loads(request.to_metadata())
    whole = plain
    name = data.draw(st.sampled_from(sorted(plain)))
    while isinstance(plain[name], dict) and plain[name] and data.draw(st.booleans()):
        plain = plain[name]
        name = data.draw(st.sampled_from(sorted(plain)))
    plain[name] = value
    found = read(json.dumps(whole))
    if found is not None:
        assert 5 <= found.limits.ring_timeout_seconds <= 80
        assert 10 <= found.limits.max_duration_seconds <= 14_400
        assert found.version == 1


REQUIRED = ["call_id", "attempt_id", "attempt_token", "call_type", "limits", "agent"]
WHOLE = DialRequest(
    call_id="call_1",
    attempt_id="att_1",
    attempt_token="t",
    call_type=CallType.SIP,
    phone_number=NUMBER,
    limits=Limits(ring_timeout_seconds=30, max_duration_seconds=600),
    agent=AgentConfig(name="default", instructions="Be brief.", greeting="Hello."),
)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_request_without_a_part_names_it(name: str) -> None:
    plain: dict[str, Any] = json.loads(WHOLE.to_metadata())
    del plain[name]
    with pytest.raises(ValidationError) as refused:
        DialRequest.from_metadata(json.dumps(plain))
    assert [error["loc"] for error in refused.value.errors()] == [(name,)]


@pytest.mark.parametrize("version", [0, 2, "1.1", None])
def test_another_version_is_refused(version: Any) -> None:
    plain = {**json.loads(WHOLE.to_metadata()), "version": version}
    with pytest.raises(ValidationError):
        DialRequest.from_metadata(json.dumps(plain))


def test_a_field_of_a_newer_dialer_is_ignored() -> None:
    plain = {**json.loads(WHOLE.to_metadata()), "priority": "high"}
    assert DialRequest.from_metadata(json.dumps(plain)) == WHOLE
