"""Have the dialer made ready for the sandbox: tables, a key, tokens, a sign-in link."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final

from pydantic import BaseModel

from sandbox.folders import PROJECT
from sandbox.leash import MARK
from sandbox.processes import Plan, dialer_environment

_TIMEOUT: Final = 90.0


class NotPrepared(Exception):
    """The dialer could not be made ready; the message holds its own words."""


class Prepared(BaseModel):
    """What the dialer gave; ``api_key`` is None when none was asked for."""

    api_key: str | None
    worker_tokens: dict[str, str]
    console_url: str


async def prepare(plan: Plan, *, key: bool) -> Prepared:
    """Bring the database to the newest schema and make what the sandbox needs.

    Errors: NotPrepared.
    """
    asked = ["key" if key else "no-key", "worker", "worker-2", "worker-fallback"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox.dialer_preparation",
        *asked,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=PROJECT,
        env={**dialer_environment(plan), MARK: str(plan.folders.state)},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_TIMEOUT):
            out, errors = await process.communicate()
    except TimeoutError as error:
        process.kill()
        raise NotPrepared(f"preparing the database took more than {_TIMEOUT:.0f} s") from error
    if process.returncode != 0:
        words = errors.decode(errors="replace").strip()[-2_000:]
        raise NotPrepared(f"the database could not be prepared:\n{words}")
    return Prepared.model_validate(json.loads(out.splitlines()[-1]))
