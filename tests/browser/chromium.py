"""Real headless Chromium with a microphone of our choosing."""

from __future__ import annotations

import os
import shutil
import wave
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import soxr
from playwright.sync_api import Browser, Page, sync_playwright

#: What Chromium wants of a file in a microphone's place. Units: samples a second.
MICROPHONE_RATE = 48_000

_QUIET = (
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A machine without any other interface connects over loopback alone.
    "--allow-loopback-in-peer-connection",
)

#: A microphone that beeps, and a user who allows it.
A_MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def program() -> str:
    """Find the browser."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    assert found is not None, "chromium is not installed: apt-get install chromium"
    return found


@contextmanager
def chromium(*flags: str) -> Generator[Browser]:
    """Run the browser until the block ends; as root its own sandbox cannot work.

    Playwright holds the thread's event loop meanwhile: use asyncio.run outside of the block.
    """
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program(), headless=True, args=[*_QUIET, *root, *flags]
        )
        try:
            yield browser
        finally:
            browser.close()


def fake_microphone(path: Path, *, again_and_again: bool = False) -> tuple[str, ...]:
    """Give the flags for a microphone that plays a file from the moment it is opened."""
    suffix = "" if again_and_again else "%noloop"
    return (*A_MICROPHONE, f"--use-file-for-fake-audio-capture={path}{suffix}")


def spoken(speech_url: str, text: str, path: Path, *, before: float, after: float) -> Path:
    """Let a voice say the text into a file, with silence before and after it in seconds."""
    answer = httpx.post(
        f"{speech_url}/audio/speech",
        json={"model": "tts-1", "voice": "alloy", "input": text, "response_format": "pcm"},
        timeout=120,
    )
    answer.raise_for_status()
    voice = np.frombuffer(answer.content, dtype="<i2").astype(np.float32) / 32768
    # OpenAI's pcm is 24 kHz, 16 bit, mono.
    samples = soxr.resample(voice, 24_000, MICROPHONE_RATE)
    padded = np.concatenate([_silence(before), samples, _silence(after)])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(MICROPHONE_RATE)
        file.writeframes((np.clip(padded, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def _silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * MICROPHONE_RATE), dtype=np.float32)


@contextmanager
def a_page(browser: Browser, *, width: int = 1180, height: int = 860) -> Generator[Page]:
    """Open a page that must neither fail in its scripts, nor break its policy, nor leave home."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    page.on(
        "console",
        lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None,
    )
    page.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:"))
            else wrong.append(f"asked elsewhere: {asked.url}")
        ),
    )
    try:
        yield page
        assert wrong == []
    finally:
        context.close()
