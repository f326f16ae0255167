"""The connections of one call to the models' OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, cast

import httpx2
import openai

from agent.speech.shared import SharedModels


def open_client(shared: SharedModels) -> openai.AsyncClient:
    """Make a client whose requests fail soon; costs no network and no disk."""
    client = openai.AsyncClient(
        base_url=shared.base_url,
        api_key=shared.api_key,
        max_retries=0,
        http_client=httpx2.AsyncClient(
            # Without TLS no certificate store needs to be read.
            verify=shared.tls if shared.tls is not None else False,
            timeout=httpx2.Timeout(connect=5.0, read=8.0, write=5.0, pool=5.0),
            follow_redirects=True,
            limits=httpx2.Limits(max_connections=20, keepalive_expiry=120),
        ),
    )
    send_as_written(client)
    return client


def send_as_written(client: openai.AsyncClient) -> None:
    """Have the talk so far sent as it is, without the SDK's walk through every message.

    The walk looks up the types of each part of each message and changes nothing in any of them. It
    holds the event loop for 0.2 to 0.3 ms a message, so that after half an hour of talk each reply
    came 0.4 s later and the other calls of the process were not heard meanwhile. Source:
    https://github.com/anthropics/anthropic-sdk-python/issues/1195, of code that both SDKs share.
    """
    completions = cast("Any", client.chat.completions)
    create: Callable[..., Awaitable[Any]] = completions.create

    @wraps(create)
    async def as_written(
        *, messages: list[Any], extra_body: Mapping[str, Any] | None = None, **asked: Any
    ) -> Any:
        body = {**(extra_body or {}), "messages": messages}
        return await create(messages=[], extra_body=body, **asked)

    completions.create = as_written
