"""Log in one shape: a static sentence, and what varies under keys.

Numbers, words and secrets never reach a log line at INFO: messages are literals (a test reads the
source for it), and values under keys that name something personal are hidden here.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

#: Keys whose values are a person's or a secret; hidden at every level.
PRIVATE = frozenset(
    {
        "phone_number",
        "phone_number_given",
        "caller_id",
        "number",
        "to",
        "from",
        "text",
        "words",
        "variables",
        "metadata",
        "digit",
        "token",
        "key",
        "secret",
        "password",
        "authorization",
        "cookie",
        "body",
        "data",
    }
)
HIDDEN = "[hidden]"


def hide_private(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put ``[hidden]`` in the place of every private value."""
    for name in event.keys() & PRIVATE:
        event[name] = HIDDEN
    return event


def configure(level: str, style: Literal["json", "console"]) -> None:
    """Set up structlog, and make the standard library's loggers speak through it."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_private,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    _quieten()


def _quieten() -> None:
    # Request lines hold query strings, and a query string may hold a number.
    for name in ("uvicorn.access", "httpx", "httpcore", "aiosqlite", "sqlalchemy", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True
