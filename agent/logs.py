"""Structured logs: one JSON object for each line, without anything personal.

Lines of our own carry only the keys that their authors give them. Lines of libraries keep their
message and the few keys of KEPT; what else they attach (transcripts, participants, requests) could
hold what somebody said, and is dropped unless the level is DEBUG. Exceptions are written as their
type and frames: their text could hold words and numbers too.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

#: Keys of library log records that are kept at INFO and above.
KEPT = frozenset(
    {
        "event",
        "level",
        "logger",
        "timestamp",
        "exception",
        "job_id",
        "room",
        "dispatch_id",
        "retry_count",
        "max_retry",
        "worker_id",
        "id",
        "delay",
        "elapsed_time",
    }
)


def _drop_foreign_extras(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: value for key, value in event.items() if key in KEPT or key.startswith("_")}


#: What livekit's libraries say at every call although nothing is wrong: a room that is deleted
#: under its participants closes their channels, and local models send no request id.
_NOISE = ("closed unexpectedly", "no request_id provided")


class _WithoutNoise(logging.Filter):
    """Drops the lines of _NOISE."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return not any(noise in text for noise in _NOISE)


def without_text(
    exc_info: tuple[type[BaseException] | None, BaseException | None, TracebackType | None],
) -> str:
    """Write an exception and what caused it as types and frames only."""
    parts: list[str] = []
    error = exc_info[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = "".join(traceback.format_tb(error.__traceback__))
        parts.append(f"{frames}{type(error).__name__}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nafter\n".join(parts)


def _without_reprs(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    # asyncio writes the repr of the task and its exception below what it has to say.
    if event.get("logger") == "asyncio":
        event["event"] = str(event["event"]).partition("\n")[0]
    return event


def configure_logs(level: str) -> None:
    """Send every log line to standard error as JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    foreign = [*shared, structlog.stdlib.ExtraAdder()]
    if level != "DEBUG":
        foreign.append(_without_reprs)
        foreign.append(_drop_foreign_extras)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=foreign,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(without_text),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("livekit", "livekit.agents", "httpx", "httpx2", "httpcore", "openai", "asyncio"):
        logging.getLogger(chatty).setLevel("DEBUG" if level == "DEBUG" else "WARNING")
    # Not on the handler: jobs add and remove filters there while other threads log.
    for noisy in ("livekit", "livekit.agents"):
        logging.getLogger(noisy).addFilter(_WithoutNoise())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Give a logger that takes keyword arguments."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
