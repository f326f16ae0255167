"""The VoIP call: a real browser, real WebRTC, the agent that also answers the phone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.chromium import A_MICROPHONE, a_page, chromium, fake_microphone, spoken
from tests.kit.gateway import Gateway
from tests.kit.rooms_left import rooms_left
from tests.kit.running import sandbox
from tests.kit.until import until_sync
from tests.kit.words import plain, word_error_rate

#: The first test of a run also starts the sandbox.
pytestmark = pytest.mark.timeout(900)

ANSWER = "Yes, Tuesday at three suits me very well."
#: The meter's scale: 0 is -60 dBFS, 100 full scale. Speech is around 60, a quiet line below 5.
AUDIBLE = 30
QUIET = 5


def sign_in(page: Page, running: dict[str, Any]) -> None:
    page.goto(f"{running['api_url']}/console")
    page.get_by_label("API key").fill(running["api_key"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Connect").wait_for()


def connect(page: Page, gateway: Gateway) -> str:
    """Press Connect, wait until the call is answered, and give its id."""
    with page.expect_response("**/api/token") as answered:
        page.get_by_role("button", name="Connect").click()
    assert answered.value.status == 200, answered.value.text()
    call_id = answered.value.json()["call"]["id"]
    until_sync(lambda: status(page) == "In the call", 20, what=f"{gateway.events(call_id)}")
    return call_id


def refuse_once(page: Page, path: str) -> None:
    """Answer the first request as a proxy does while the gateway is started anew."""
    page.route(path, lambda route: route.fulfill(status=503, body="later"), times=1)


def status(page: Page) -> str:
    return page.get_by_role("status").inner_text()


def loudness(page: Page, of: str) -> int:
    return int(page.get_by_role("meter", name=of).get_attribute("aria-valuenow") or 0)


def words(page: Page, speaker: str) -> str:
    said = page.locator(f"#turns .turn.{speaker}").all_inner_texts()
    # The first line of a turn is its speaker's name.
    return " ".join(text.partition("\n")[2] for text in said)


def calls(gateway: Gateway) -> list[str]:
    return [call["id"] for call in gateway.http.get("/calls").json()["calls"]]


def test_the_browser_hears_the_agent_and_the_agent_hears_it(
    running: dict[str, Any], gateway: Gateway, tmp_path: Path
) -> None:
    # Silence first: the agent greets, and a caller listens.
    microphone = spoken(running["speech_url"], ANSWER, tmp_path / "answer.wav", before=13, after=1)
    with chromium(*fake_microphone(microphone)) as browser, a_page(browser) as page:
        sign_in(page, running)
        refuse_once(page, "**/calls/*/events")
        call_id = connect(page, gateway)
        until_sync(
            lambda: loudness(page, "Loudness of the agent") > AUDIBLE, 15, what="the agent is heard"
        )
        page.screenshot(path=tmp_path / "agent-speaks.png")
        until_sync(lambda: "riverside dental" in plain(words(page, "agent")), 30, what="greeting")
        until_sync(
            lambda: loudness(page, "Loudness of your microphone") > AUDIBLE, 30, what="own voice"
        )
        until_sync(lambda: words(page, "callee"), 30, what="the agent understood")
        answered = len(words(page, "agent"))
        until_sync(lambda: len(words(page, "agent")) > answered, 30, what="the agent replied")
        page.screenshot(path=tmp_path / "conversation.png")

        heard = " ".join(t["text"] for t in gateway.turns(call_id) if t["speaker"] == "callee")
        assert word_error_rate(ANSWER, heard) <= 0.25, heard
        page.get_by_role("button", name="Hang up").click()
        page.get_by_role("button", name="Connect").wait_for()

    call = gateway.until_ended(call_id, timeout=20)
    assert (call["outcome"], call["ended_reason"]) == ("completed", "api_hangup")
    until_sync(lambda: not rooms_left(running, call_id, gateway), 20, what="the room is gone")


@pytest.mark.slow
def test_the_agents_goodbye_ends_the_call_on_the_page_too(
    running: dict[str, Any], gateway: Gateway, tmp_path: Path
) -> None:
    goodbye = spoken(
        running["speech_url"], "No, thank you. Goodbye.", tmp_path / "bye.wav", before=13, after=1
    )
    # Whoever is not understood says it again.
    flags = fake_microphone(goodbye, again_and_again=True)
    with chromium(*flags) as browser, a_page(browser) as page:
        sign_in(page, running)
        call_id = connect(page, gateway)
        until_sync(lambda: status(page) == "Call ended", 60, what=f"{gateway.events(call_id)}")
        assert "The agent said goodbye." in page.locator("#turns").inner_text()
        assert page.get_by_role("button", name="Connect").is_enabled()
        page.screenshot(path=tmp_path / "ended.png")

    call = gateway.until_ended(call_id, timeout=5)
    assert (call["outcome"], call["ended_reason"]) == ("completed", "agent_hangup")


def test_muted_the_microphone_is_silent_and_a_phone_shows_the_page_whole(
    running: dict[str, Any], gateway: Gateway, tmp_path: Path
) -> None:
    voice = spoken(running["speech_url"], ANSWER, tmp_path / "voice.wav", before=0, after=0)
    flags = fake_microphone(voice, again_and_again=True)
    with chromium(*flags) as browser, a_page(browser, width=390, height=844) as page:
        sign_in(page, running)
        call_id = connect(page, gateway)
        own = "Loudness of your microphone"
        until_sync(lambda: loudness(page, own) > AUDIBLE, 10, what="heard before")
        page.get_by_role("button", name="Mute", exact=True).click()
        until_sync(lambda: loudness(page, own) < QUIET, 10, what="silent while muted")
        assert stays_below(page, own, QUIET, seconds=3)
        page.get_by_role("button", name="Unmute").click()
        until_sync(lambda: loudness(page, own) > AUDIBLE, 10, what="heard again")

        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        page.get_by_role("button", name="Hang up").click()
        until_sync(lambda: status(page) == "Call ended", 20, what="the page says so")
        until_sync(lambda: "completed" in page.locator("#latest").inner_text(), 20)
    assert gateway.until_ended(call_id, timeout=20)["ended_by"] == "api"


def stays_below(page: Page, of: str, limit: int, *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if loudness(page, of) >= limit:
            return False
        page.wait_for_timeout(50)
    return True


def test_a_closed_tab_ends_the_call(
    running: dict[str, Any], gateway: Gateway, tmp_path: Path
) -> None:
    silence = spoken(running["speech_url"], "Hm.", tmp_path / "hm.wav", before=60, after=0)
    with chromium(*fake_microphone(silence)) as browser, a_page(browser) as page:
        sign_in(page, running)
        call_id = connect(page, gateway)

    call = gateway.until_ended(call_id, timeout=60)
    assert (call["outcome"], call["ended_reason"]) == ("completed", "callee_hangup")
    until_sync(lambda: not rooms_left(running, call_id, gateway), 30, what="the room is gone")


def test_without_a_microphone_the_page_says_so_and_places_no_call(
    running: dict[str, Any], gateway: Gateway
) -> None:
    before = calls(gateway)
    with chromium("--use-fake-ui-for-media-stream") as browser, a_page(browser) as page:
        sign_in(page, running)
        page.get_by_role("button", name="Connect").click()
        until_sync(lambda: "No microphone was found" in page.get_by_role("alert").inner_text(), 10)
        assert page.get_by_role("button", name="Connect").is_visible()
    assert calls(gateway) == before


def test_a_refused_microphone_is_told_and_places_no_call(
    running: dict[str, Any], gateway: Gateway
) -> None:
    before = calls(gateway)
    refusing = ("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    with chromium(*refusing) as browser, a_page(browser) as page:
        sign_in(page, running)
        page.get_by_role("button", name="Connect").click()
        until_sync(
            lambda: "may not use the microphone" in page.get_by_role("alert").inner_text(), 10
        )
    assert calls(gateway) == before


def test_the_sandboxs_link_signs_in_once(running: dict[str, Any]) -> None:
    with chromium() as browser:
        with a_page(browser) as page:
            page.goto(running["console_url"])
            page.get_by_role("button", name="Connect").wait_for()
            assert "token" not in page.url
            page.get_by_role("button", name="Sign out").click()
            page.get_by_label("API key").wait_for()
        with a_page(browser) as page:
            page.goto(running["console_url"])
            assert "works once" in page.get_by_role("alert").inner_text()


@pytest.mark.slow
def test_without_a_worker_the_page_says_why(tmp_path: Path) -> None:
    left_out = "carrier,livekit-sip,speech,worker,worker-2"
    with (
        sandbox(tmp_path / "sandbox", "--without", left_out) as alone,
        chromium(*A_MICROPHONE) as browser,
        a_page(browser) as page,
    ):
        sign_in(page, alone)
        page.get_by_role("button", name="Connect").click()
        until_sync(lambda: "worker" in page.get_by_role("alert").inner_text().lower(), 10)
        assert page.get_by_role("button", name="Connect").is_visible()
