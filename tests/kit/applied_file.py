"""`dialer trunks apply` on a running stack, with a file that lets callers on this machine in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livekit import api
from typer.testing import CliRunner

from dialer.cli import app

DEPLOYMENT = "tel"


@contextmanager
def applied(
    running: dict[str, Any],
    folder: Path,
    numbers: Mapping[str, Mapping[str, Any] | None],
    *,
    allowed: Sequence[str] = ("127.0.0.0/8",),
) -> Generator[None]:
    """Have a file applied, and all of it taken down when the block ends.

    Shape: ``numbers`` are those of the trunk, each with its inbound part.
    """
    content: dict[str, Any] = {
        "version": 1,
        "deployment": DEPLOYMENT,
        "carriers": {"peer": {"kind": "generic"}},
        "trunks": {
            "peer": {
                "carrier": "peer",
                "address": "127.0.0.1:5070",
                "inbound": {"allowed_addresses": list(allowed)},
            }
        },
        "numbers": {
            number: {"trunk": "peer"} | ({} if inbound is None else {"inbound": inbound})
            for number, inbound in numbers.items()
        },
    }
    file = folder / "trunks.yaml"
    # JSON is YAML, too.
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")
    trunks(running, file, "apply")
    try:
        yield
    finally:
        trunks(running, file, "destroy", "--yes")


def trunks(running: dict[str, Any], file: Path, *arguments: str) -> str:
    """Run ``dialer trunks`` on the stack; gives what it printed."""
    environment = {
        "DATABASE_URL": running["database_url"],
        # No password is in the file: nothing is sealed with it.
        "TOKEN_SECRET": "a-token-secret-of-the-tests-32-and-more",
        "SECRETS_KEY": "",
        "DEPLOYMENT": DEPLOYMENT,
        "LIVEKIT_URL": running["livekit_url"],
        "LIVEKIT_API_KEY": running["livekit_api_key"],
        "LIVEKIT_API_SECRET": running["livekit_api_secret"],
    }
    done = CliRunner().invoke(app, ["trunks", *arguments, "--file", str(file)], env=environment)
    assert done.exit_code == 0, done.output
    return done.stdout


def ways_in(running: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Name what LiveKit has of the file: the inbound trunks, and the rules that name one."""
    return asyncio.run(_ways_in(running))


async def _ways_in(running: dict[str, Any]) -> tuple[list[str], list[str]]:
    url, key = running["livekit_url"], running["livekit_api_key"]
    async with api.LiveKitAPI(url, key, running["livekit_api_secret"]) as livekit:
        trunks = (await livekit.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())).items
        rules = (await livekit.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())).items
    ours = {one.sip_trunk_id: one.name for one in trunks if one.name.startswith(f"{DEPLOYMENT}/")}
    named = [rule.name for rule in rules if set(rule.trunk_ids) <= ours.keys() and rule.trunk_ids]
    return sorted(ours.values()), sorted(named)
