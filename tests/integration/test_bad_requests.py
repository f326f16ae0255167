"""Requests that cannot be read or lead nowhere, by their numbers in the catalogue."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncGenerator

import pytest

from tests.kit.api import Api
from tests.kit.problems import check, good, nothing_was_written

pytestmark = pytest.mark.asyncio

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


async def test_of_very_many_faults_some_are_told(api: Api) -> None:
    wrong = {"phone_number": "+14155550100"} | {f"a{number}": 0 for number in range(5_000)}
    async with api.client() as client:
        answer = await client.post("/calls", json=wrong)
    check(answer, 422, "unknown_field")
    assert len(answer.json()["errors"]) == 20


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
