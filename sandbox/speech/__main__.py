"""Serve offline speech: ``python -m sandbox.speech --host 127.0.0.1 --port 8080``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from types import FrameType
from typing import NoReturn

import uvicorn

from sandbox.speech.app import create_app
from sandbox.speech.package_clients import WeightsError
from sandbox.speech.settings import SpeechSettings
from sandbox.speech.weights import ensure_weights


def main() -> None:
    """Run the server until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.speech", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    asked = parser.parse_args()
    settings = SpeechSettings()
    level = settings.log_level.upper()
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    _fetch_models(settings)
    uvicorn.run(
        create_app(settings),
        host=asked.host,
        port=asked.port,
        log_level=level.lower(),
        access_log=False,
        timeout_graceful_shutdown=2,
    )


def _fetch_models(settings: SpeechSettings) -> None:
    """Have the models before anything is served; SIGTERM ends a download too."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        ensure_weights(settings.models_dir)
    except WeightsError as error:
        sys.exit(f"The speech models cannot be had: {error}.")
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
