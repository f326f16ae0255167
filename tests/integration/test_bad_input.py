"""Bad bodies of POST /calls: each row has its number in the catalogue and its one answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.api import OWN_NUMBERS, Api
from tests.kit.api import api as open_api
from tests.kit.problems import GOOD, check, good, nothing_was_written


def deep(levels: int) -> dict[str, Any]:
    """Nest objects ``levels`` deep."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def number(raw: Any) -> dict[str, Any]:
    return {"phone_number": raw}


BODIES: list[tuple[str, dict[str, Any], int, str, str | None]] = [
    ("1 missing", {}, 422, "required", "phone_number"),
    ("2 null", number(None), 422, "invalid_type", "phone_number"),
    ("2 a number", number(14155550100), 422, "invalid_type", "phone_number"),
    ("2 a list", number([GOOD]), 422, "invalid_type", "phone_number"),
    ("3 empty", number(""), 422, "invalid_number", "phone_number"),
    ("3 spaces", number("   "), 422, "invalid_number", "phone_number"),
    ("4 without plus", number("4155550100"), 422, "not_e164", "phone_number"),
    ("6 short", number("+1415555010"), 422, "invalid_number", "phone_number"),
    ("6 sixteen digits", number("+1415555010012345"), 422, "invalid_number", "phone_number"),
    ("4 with trunk prefix", number("1-415-555-0100"), 422, "not_e164", "phone_number"),
    ("7 zero after plus", number("+0155550100"), 422, "not_e164", "phone_number"),
    ("7 00 prefix", number("00442079460000"), 422, "not_e164", "phone_number"),
    ("7 011 prefix", number("011442079460000"), 422, "not_e164", "phone_number"),
    ("9 zero-width", number("+1415\u200b5550100"), 422, "invalid_characters", "phone_number"),
    ("9 right-to-left", number("\u202e+14155550100"), 422, "invalid_characters", "phone_number"),
    ("9 no-break space", number("+1415\u00a05550100"), 422, "invalid_characters", "phone_number"),
    ("10 letters", number("+1800FLOWERS"), 422, "letters_not_allowed", "phone_number"),
    ("11 ;ext=", number("+14155550100;ext=9"), 422, "use_dtmf_field", "phone_number"),
    ("11 x9", number("+14155550100x9"), 422, "use_dtmf_field", "phone_number"),
    ("11 commas", number("+14155550100,,9#"), 422, "use_dtmf_field", "phone_number"),
    ("12 sip:", number("sip:bob@evil.example"), 422, "sip_uri_not_allowed", "phone_number"),
    (
        "12 sips:",
        number("sips:+14155550100@evil.example"),
        422,
        "sip_uri_not_allowed",
        "phone_number",
    ),
    ("12 tel:", number("tel:+14155550100"), 422, "sip_uri_not_allowed", "phone_number"),
    ("12 user@host", number("bob@host"), 422, "sip_uri_not_allowed", "phone_number"),
    ("13 CRLF", number("+1415\r\nX-Evil: 1"), 422, "invalid_characters", "phone_number"),
    ("13 %0d%0a", number("+1415555%0d%0a0100"), 422, "invalid_characters", "phone_number"),
    ("13 angle brackets", number("<+14155550100>"), 422, "invalid_characters", "phone_number"),
    ("13 quotes", number('"+14155550100"'), 422, "invalid_characters", "phone_number"),
    ("14 911", number("911"), 403, "emergency_blocked", "phone_number"),
    ("14 112", number("112"), 403, "emergency_blocked", "phone_number"),
    ("14 999", number("999"), 403, "emergency_blocked", "phone_number"),
    ("14 988", number("988"), 403, "emergency_blocked", "phone_number"),
    ("14 110", number("110"), 403, "emergency_blocked", "phone_number"),
    ("14 000", number("000"), 403, "emergency_blocked", "phone_number"),
    ("14 113", number("113"), 403, "emergency_blocked", "phone_number"),
    ("14 +1911", number("+1911"), 403, "emergency_blocked", "phone_number"),
    ("14 +1 911", number("+1 911"), 403, "emergency_blocked", "phone_number"),
    ("14 +44999", number("+44999"), 403, "emergency_blocked", "phone_number"),
    ("14 Arabic-Indic", number("\u0669\u0661\u0661"), 403, "emergency_blocked", "phone_number"),
    ("15 900", number("+19005550100"), 403, "premium_blocked", "phone_number"),
    ("15 976", number("+12129765555"), 403, "premium_blocked", "phone_number"),
    ("15 976 area", number("+19765550100"), 403, "premium_blocked", "phone_number"),
    ("15 +44 9", number("+44 9012 345678"), 403, "premium_blocked", "phone_number"),
    ("15 +44 70", number("+447012345678"), 403, "premium_blocked", "phone_number"),
    ("15 German", number("+499001234567"), 403, "premium_blocked", "phone_number"),
    ("15 +979", number("+979123456789"), 403, "premium_blocked", "phone_number"),
    ("15 +808", number("+80812345678"), 403, "premium_blocked", "phone_number"),
    ("16 +870", number("+870773111632"), 403, "high_risk_destination", "phone_number"),
    ("16 +881", number("+881612345678"), 403, "high_risk_destination", "phone_number"),
    ("16 +882", number("+88213123456"), 403, "high_risk_destination", "phone_number"),
    ("16 +883", number("+883510012345"), 403, "high_risk_destination", "phone_number"),
    ("16 +888", number("+888123456789"), 403, "high_risk_destination", "phone_number"),
    ("16 +800", number("+80012345678"), 403, "high_risk_destination", "phone_number"),
    ("17 Jamaica", number("+18765550100"), 403, "country_not_allowed", "phone_number"),
    ("17 Grenada", number("+14732691234"), 403, "country_not_allowed", "phone_number"),
    ("17 Virgin Is.", number("+12842291234"), 403, "country_not_allowed", "phone_number"),
    ("17 Puerto Rico", number("+17875550100"), 403, "country_not_allowed", "phone_number"),
    ("17 Canada", number("+16135550100"), 403, "country_not_allowed", "phone_number"),
    ("18 Britain", number("+442079460018"), 403, "country_not_allowed", "phone_number"),
    ("18 Cuba", number("+5371234567"), 403, "country_not_allowed", "phone_number"),
    ("19 not ours", good(caller_id="+14155550177"), 403, "caller_id_not_owned", "caller_id"),
    ("21 itself", good(phone_number=OWN_NUMBERS[0]), 422, "self_call", "phone_number"),
    ("22 anonymous", good(caller_id="anonymous"), 422, "caller_id_invalid", "caller_id"),
    ("28 unknown agent", good(agent="nobody"), 404, "agent_not_found", "agent"),
    ("28 NUL in agent", good(agent="a\x00"), 404, "agent_not_found", "agent"),
    ("28 variable missing", good(agent="needy"), 422, "variable_missing", "variables.appointment"),
    ("30 17 KB", good(metadata={"a": "x" * 17_000}), 422, "too_large", "metadata"),
    ("30 9 deep", good(metadata=deep(9)), 422, "too_deep", "metadata"),
    ("30 50 deep", good(metadata=deep(50)), 422, "too_deep", "metadata"),
    ("30 1,000 deep", good(metadata=deep(500)), 422, "too_deep", None),
    ("30 no object", good(metadata=[1]), 422, "invalid_type", "metadata"),
    ("30 variables hold a number", good(variables={"a": 1}), 422, "invalid_type", "variables.a"),
    ("30 variables 17 KB", good(variables={"a": "x" * 17_000}), 422, "too_large", "variables"),
    (
        "30 a variable called path",
        good(variables={"path": 1}),
        422,
        "invalid_type",
        "variables.path",
    ),
    ("30 odd variable name", good(variables={"A b": ""}), 422, "invalid_value", "variables.A b"),
    ("31 zero", good(max_duration_seconds=0), 422, "out_of_range", "max_duration_seconds"),
    ("31 negative", good(max_duration_seconds=-1), 422, "out_of_range", "max_duration_seconds"),
    ("31 1e9", good(max_duration_seconds=1e9), 422, "out_of_range", "max_duration_seconds"),
    ("31 text", good(max_duration_seconds="5m"), 422, "invalid_type", "max_duration_seconds"),
    ("31 digits", good(max_duration_seconds="60"), 422, "invalid_type", "max_duration_seconds"),
    ("31 true", good(max_duration_seconds=True), 422, "invalid_type", "max_duration_seconds"),
    ("31 half", good(max_duration_seconds=10.5), 422, "invalid_type", "max_duration_seconds"),
    ("32 4", good(ring_timeout_seconds=4), 422, "out_of_range", "ring_timeout_seconds"),
    ("32 200", good(ring_timeout_seconds=200), 422, "out_of_range", "ring_timeout_seconds"),
    ("38 misspelt", good(phone_nubmer="x"), 422, "unknown_field", "phone_nubmer"),
    ("38 far off", good(zzz=1), 422, "unknown_field", "zzz"),
    ("call_type", good(call_type="fax"), 422, "invalid_value", "call_type"),
    ("voip with number", good(call_type="voip"), 422, "invalid_value", "phone_number"),
]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
async def test_a_body_that_cannot_be_taken_is_one_problem(
    api: Api, body: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    async with api.client() as client:
        answer = await client.post("/calls", json=body)
    check(answer, status, code)
    assert answer.json().get("field") == field
    await nothing_was_written(api)


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("+1 (415) 555-0100", GOOD),
        (" +1.415.555.0100 ", GOOD),
        ("\uff0b\uff11\uff14\uff11\uff15\uff15\uff15\uff15\uff10\uff11\uff10\uff10", GOOD),
        ("+\u0661\u0664\u0661\u0665\u0665\u0665\u0665\u0660\u0661\u0660\u0660", GOOD),
    ],
    ids=["5 formatted", "5 dots", "8 full-width", "8 Arabic-Indic"],
)
async def test_a_number_written_for_people_is_stored_in_e164(
    api: Api, raw: str, stored: str
) -> None:
    async with api.client() as client:
        answer = await client.post("/calls", json=number(raw))
        assert answer.status_code == 202
        told = (await client.get(answer.json()["links"]["self"])).json()
    for call in (answer.json(), told):
        assert (call["phone_number"], call["phone_number_given"]) == (stored, raw)


@pytest.mark.parametrize(
    ("raw", "country"), [("+18765550100", "JM"), ("+442079460018", "GB")], ids=["17", "18"]
)
async def test_a_country_that_is_not_allowed_is_named_with_the_setting(
    api: Api, raw: str, country: str
) -> None:
    async with api.client() as client:
        said = (await client.post("/calls", json=number(raw))).json()["detail"]
    assert f"Calls to {country} " in said
    assert "ALLOWED_COUNTRIES is US" in said


@pytest.mark.parametrize("raw", ["+18765550100", "+442079460018", "+18005550100"])
async def test_a_country_that_is_allowed_is_called(database_url: str, raw: str) -> None:
    async with open_api(database_url, allowed_countries="JM,GB") as api, api.client() as client:
        assert (await client.post("/calls", json=number(raw))).status_code == 202
        refused = await client.post("/calls", json=good())
    check(refused, 403, "country_not_allowed")
    assert "ALLOWED_COUNTRIES is GB,JM" in refused.json()["detail"]


LIMIT = "10 to 14400"


@pytest.mark.parametrize("value", [0, -1, 1e9, "5m"])
async def test_31_the_range_is_named(api: Api, value: Any) -> None:
    async with api.client() as client:
        answer = await client.post("/calls", json=good(max_duration_seconds=value))
    assert LIMIT in answer.json()["detail"]


async def test_38_the_closest_field_is_named(api: Api) -> None:
    async with api.client() as client:
        answer = await client.post("/calls", json=good(metdata={}))
    assert answer.json()["hint"] == "Did you mean metadata?"
