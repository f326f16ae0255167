"""Bad input to POST /calls: each row has its number in the catalogue and its one answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from sqlalchemy import func, select

from dialer.adapters.tables import calls
from tests.kit.api import OWN_NUMBERS, Api
from tests.kit.api import api as open_api

pytestmark = pytest.mark.asyncio

GOOD = "+14155550100"


def deep(levels: int) -> dict[str, Any]:
    """Nest objects ``levels`` deep."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def number(raw: Any) -> dict[str, Any]:
    return {"phone_number": raw}


def good(**fields: Any) -> dict[str, Any]:
    return {"phone_number": GOOD, **fields}


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


def check(answer: Any, status: int, code: str) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"] and problem["title"]
    assert problem["detail"].endswith(".")
    assert "Traceback" not in answer.text


async def nothing_was_written(api: Api) -> None:
    async with api.services.database.reading() as connection:
        counted = await connection.execute(select(func.count()).select_from(calls))
        assert counted.scalar_one() == 0


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
    assert answer.json()["phone_number"] == stored


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


RAW: list[tuple[str, bytes, int, str]] = [
    ("36 nothing", b"", 0, "invalid_json"),
    ("36 half", b'{"phone_number": "+1', 17, "invalid_json"),
    ("36 trailing comma", b'{"agent": "default",}', 20, "invalid_json"),
    ("36 NaN", b'{"metadata": {"a": NaN}}', 19, "invalid_json"),
    ("36 -Infinity", b'{"metadata": {"a": -Infinity}}', 19, "invalid_json"),
    ("36 key twice", b'{"agent": "a", "agent": "b"}', 15, "invalid_json"),
    ("36 escaped key twice", b'{"agent": "a", "\\u0061gent": "b"}', 15, "invalid_json"),
    ("36 UTF-16", '{"agent": "a"}'.encode("utf-16"), 0, "invalid_json"),
    ("36 UTF-16 without mark", '{"agent": "a"}'.encode("utf-16-le"), 1, "invalid_json"),
    ("36 BOM", b'\xef\xbb\xbf{"agent": "a"}', 0, "invalid_json"),
    ("36 after multi-byte", '{"agent": "é",}'.encode(), 15, "invalid_json"),
    ("36 long number", b'{"metadata": {"a": ' + b"9" * 5000 + b"}}", 0, "invalid_json"),
    ("36 half a surrogate", b'{"metadata": {"a": "\\ud800"}}', 0, "invalid_json"),
    ("36 Latin-1", b'{"agent": "\xe9"}', 11, "invalid_json"),
]


@pytest.mark.parametrize(
    ("raw", "offset", "code"), [row[1:] for row in RAW], ids=[row[0] for row in RAW]
)
async def test_36_what_is_no_strict_json_is_refused_with_its_offset(
    api: Api, raw: bytes, offset: int, code: str
) -> None:
    async with api.client() as client:
        answer = await client.post(
            "/calls", content=raw, headers={"Content-Type": "application/json"}
        )
    check(answer, 400, code)
    assert answer.json()["offset"] == offset


@pytest.mark.parametrize(
    "raw", [b"[" * 100_000, b'{"a":' * 40_000, b"[" * 100_000 + b"]" * 100_000]
)
async def test_30_bottomless_nesting_is_refused_without_recursion(api: Api, raw: bytes) -> None:
    async with api.client() as client:
        answer = await client.post(
            "/calls", content=raw, headers={"Content-Type": "application/json"}
        )
    check(answer, 422, "too_deep")


@pytest.mark.parametrize("raw", [b"null", b"[]", b'"x"', b"1"])
async def test_36_a_body_that_is_no_object_is_the_wrong_type(api: Api, raw: bytes) -> None:
    async with api.client() as client:
        answer = await client.post(
            "/calls", content=raw, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 422
    assert answer.json()["code"] in ("invalid_type", "required")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_37_another_content_type_is_415(api: Api, media_type: str | None) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    async with api.client() as client:
        answer = await client.post("/calls", content=json.dumps(good()), headers=headers)
    check(answer, 415, "unsupported_media_type")


async def test_39_a_large_body_is_413_by_its_declared_length(api: Api) -> None:
    async with api.client() as client:
        answer = await client.post("/calls", json=good(metadata={"a": "x" * 300_000}))
    check(answer, 413, "body_too_large")


async def test_39_a_large_body_is_413_by_counting_it(api: Api) -> None:
    taken = 0

    async def chunks() -> AsyncGenerator[bytes]:
        nonlocal taken
        for _ in range(10_000):
            taken += 16_384
            yield b" " * 16_384

    async with api.client() as client:
        answer = await client.post(
            "/calls", content=chunks(), headers={"Content-Type": "application/json"}
        )
    check(answer, 413, "body_too_large")


async def test_40_a_gzip_bomb_is_not_unpacked(api: Api) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    async with api.client() as client:
        answer = await client.post(
            "/calls",
            content=bomb,
            headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
        )
    check(answer, 413, "body_too_large")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, identity"])
async def test_40_no_coding_is_unpacked(api: Api, coding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    async with api.client() as client:
        answer = await client.post("/calls", content=json.dumps(good()), headers=headers)
    check(answer, 413, "body_too_large")
    await nothing_was_written(api)


@pytest.mark.parametrize(
    "key", [b"", b"  ", b"k" * 256, b"a\x00b", b"a\tb", b"caf\xc3\xa9"], ids=repr
)
async def test_41_an_idempotency_key_must_be_printable_and_short(api: Api, key: bytes) -> None:
    async with api.client() as client:
        answer = await client.post("/calls", json=good(), headers=[(b"Idempotency-Key", key)])
    check(answer, 400, "invalid_idempotency_key")


async def test_42_the_same_key_with_another_body_is_a_mismatch(api: Api) -> None:
    headers = {"Idempotency-Key": "k1"}
    async with api.client() as client:
        assert (await client.post("/calls", json=good(), headers=headers)).status_code == 202
        answer = await client.post("/calls", json=good(agent="default"), headers=headers)
    check(answer, 422, "idempotency_mismatch")


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer tk_wrong", "Bearer " + "x" * 9000],
)
async def test_47_a_request_without_a_good_key_is_401(api: Api, authorization: str | None) -> None:
    async with api.client() as client:
        del client.headers["Authorization"]
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = await client.post("/calls", json=good(), headers=headers)
    check(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_47_without_a_key_the_body_is_not_even_read(api: Api) -> None:
    async with api.client() as client:
        answer = await client.post(
            "/calls",
            content=b"{" * 300_000,
            headers={"Content-Type": "application/json", "Authorization": "Bearer tk_wrong"},
        )
    check(answer, 401, "unauthorized")


async def test_a_path_that_does_not_exist_is_a_problem_too(api: Api) -> None:
    async with api.client() as client:
        check(await client.get("/nothing"), 404, "not_found")
        check(await client.put("/calls", json={}), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "call_id", ["call_1", "call_" + "0" * 32, "%00", "..%2f", "x" * 3000, "call_%F0%9F%98%80"]
)
async def test_an_id_that_is_none_is_not_found(api: Api, call_id: str) -> None:
    async with api.client() as client:
        check(
            await client.get(f"/calls/{call_id}"),
            404,
            "call_not_found" if "%2f" not in call_id else "not_found",
        )


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("cursor=%00", "invalid_cursor"),
        ("cursor=AAAA", "invalid_cursor"),
        ("cursor=" + "A" * 300, "too_large"),
        ("limit=0", "out_of_range"),
        ("limit=101", "out_of_range"),
        ("limit=ten", "invalid_type"),
        ("status=busy", "invalid_value"),
        ("phone_number=123", "not_e164"),
        ("created_from=yesterday", "invalid_value"),
        ("created_from=2026-01-01T00:00:00", "invalid_value"),
    ],
)
async def test_a_list_that_cannot_be_given_says_why(api: Api, query: str, code: str) -> None:
    async with api.client() as client:
        check(await client.get(f"/calls?{query}"), 422, code)
