"""The sandbox's secrets: made once, kept beside the database that holds their hashes."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sandbox.atomic import write_private


@dataclass
class Secrets:
    """Keys of one sandbox; the API key and the tokens of workers are empty until they are made."""

    livekit_key: str
    livekit_secret: str
    token_secret: str
    carrier_username: str
    carrier_password: str
    api_key: str = ""
    fallback_key: str = field(default_factory=lambda: f"API{secrets.token_hex(6)}")
    fallback_secret: str = field(default_factory=lambda: secrets.token_hex(24))
    worker_tokens: dict[str, str] = field(default_factory=dict[str, str])


def load(path: Path, *, database_exists: bool) -> Secrets:
    """Read the secrets, or make new ones; an API key is only as good as its database."""
    try:
        kept = Secrets(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        kept = _new()
    if not database_exists:
        kept.api_key = ""
    return kept


def save(path: Path, kept: Secrets) -> None:
    """Keep the secrets, readable by their owner only."""
    write_private(path, json.dumps(asdict(kept), indent=2))


def _new() -> Secrets:
    return Secrets(
        livekit_key=f"API{secrets.token_hex(6)}",
        livekit_secret=secrets.token_hex(24),
        token_secret=secrets.token_hex(24),
        carrier_username="gateway",
        carrier_password=secrets.token_hex(12),
    )
