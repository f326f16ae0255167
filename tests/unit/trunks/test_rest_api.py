"""What a carrier's refusals mean to the operator."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
import pytest_asyncio
import respx

from trunks.errors import CODES, TrunkError
from trunks.rest_api import RestApi

URL = "https://api.example.com/v1"


@pytest_asyncio.fixture
async def carrier() -> AsyncGenerator[RestApi]:
    api = RestApi(carrier="Acme", base_url=URL, credentials="carriers.main.api_key")
    yield api
    await api.aclose()


async def refused(carrier: RestApi, answer: httpx.Response | Exception) -> TrunkError:
    with respx.mock() as router:
        router.post(f"{URL}/trunks").mock(side_effect=[answer])
        with pytest.raises(TrunkError) as told:
            await carrier.post("/trunks", {"name": "main", "password": "sixteen-characters"})
    assert told.value.code in CODES
    assert "Acme" in told.value.message
    return told.value


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [
        (400, "refused", False),
        (401, "credentials_refused", False),
        (402, "refused", False),
        (403, "not_permitted", False),
        (404, "not_found", False),
        (409, "conflict", False),
        (422, "refused", False),
        (429, "rate_limited", True),
        (500, "carrier_error", True),
        (503, "carrier_error", True),
    ],
)
async def test_each_status_has_its_meaning(
    carrier: RestApi, status: int, code: str, again: bool
) -> None:
    error = await refused(carrier, httpx.Response(status, json={"message": "No."}))
    assert (error.code, error.retryable) == (code, again)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (httpx.ConnectError("refused"), "unreachable"),
        (httpx.ConnectTimeout("slow"), "unreachable"),
        (httpx.ReadTimeout("slow"), "timeout"),
        (httpx.RemoteProtocolError("closed"), "carrier_error"),
    ],
)
async def test_each_way_to_lose_an_answer_may_be_tried_again(
    carrier: RestApi, failure: httpx.HTTPError, code: str
) -> None:
    error = await refused(carrier, failure)
    assert (error.code, error.retryable) == (code, True)
    assert not error.nothing_done


@pytest.mark.parametrize(
    "body",
    [
        {"errors": [{"title": "Invalid", "detail": "the name is taken"}]},
        {"error": "the name is taken"},
        {"error": {"message": "the name is taken"}},
        {"message": ["the name is taken"]},
    ],
)
async def test_the_carriers_own_words_are_told(carrier: RestApi, body: object) -> None:
    error = await refused(carrier, httpx.Response(422, json=body))
    assert "the name is taken" in error.message


async def test_a_password_that_is_repeated_is_crossed_out(carrier: RestApi) -> None:
    said = {"message": "sixteen-characters is too simple"}
    error = await refused(carrier, httpx.Response(422, json=said))
    assert "sixteen-characters" not in str(error) and "*** is too simple" in error.message


async def test_a_page_of_html_is_not_told(carrier: RestApi) -> None:
    error = await refused(carrier, httpx.Response(502, text="<html>Bad gateway</html>"))
    assert "html" not in error.message


@pytest.mark.parametrize(
    "said", ["7", format_datetime(datetime.now(UTC) + timedelta(hours=1))], ids=["seconds", "date"]
)
async def test_a_carrier_says_when_to_come_back(carrier: RestApi, said: str) -> None:
    error = await refused(carrier, httpx.Response(429, headers={"Retry-After": said}))
    assert error.retry_after is not None
    assert error.retry_after == 7 or 3000 < error.retry_after <= 3600


async def test_an_answer_that_is_no_json_may_be_tried_again(carrier: RestApi) -> None:
    error = await refused(carrier, httpx.Response(200, text="<html>Welcome</html>"))
    assert (error.code, error.retryable) == ("carrier_error", True)


async def test_deleting_what_is_gone_is_no_error(carrier: RestApi) -> None:
    with respx.mock() as router:
        gone = router.delete(f"{URL}/trunks/1").mock(return_value=httpx.Response(404))
        await carrier.delete("/trunks/1")
        assert gone.called
