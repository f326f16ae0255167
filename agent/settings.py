"""The worker's settings: read from the environment once, at the entry point."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from telephony.worker_contract import LiveKitName

#: What the framework does in every process unless its environment says otherwise, and nobody here
#: needs: an end-of-turn model of 244 MB, and a look at each call's event loop fifty times a second
#: (``agent.watchdog`` looks, twice a second for all of them).
_NOT_NEEDED: Final = {
    "LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE": "0",
    "LIVEKIT_AGENTS_LOOP_BLOCK_WARN_MS": "0",
}


def tell_nobody() -> None:
    """Keep onnxruntime, which runs the voice activity model, from reporting to its maker.

    Shape: it decides when it is loaded, and its published builds report unless told not to.
    Source: https://github.com/microsoft/onnxruntime/pull/27379
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def spare_what_is_not_needed() -> None:
    """Tell the framework to leave out what no call uses; before it starts."""
    for name, value in _NOT_NEEDED.items():
        os.environ.setdefault(name, value)


class Settings(BaseSettings):
    """Everything that the worker takes from its environment.

    Units: names that end in ``_seconds`` are in seconds.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_file=".env", env_ignore_empty=True
    )

    dialer_url: str = Field(
        default="http://127.0.0.1:8000",
        description="Where the dialer's API listens; several processes separated by commas.",
    )
    worker_token: SecretStr = Field(
        description="Opens this worker's own routes at the dialer (presence, jobs) and the one at "
        "which calls that came in are offered."
    )
    worker_id: str = Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="The name that WORKER_TOKEN was made for, each worker process its own. "
        "Keep it across restarts: its spool is found by it.",
        examples=["worker-1"],
    )
    worker_capacity: int = Field(
        default=5, ge=1, le=100, description="How many calls this process holds at once."
    )
    livekit_url: str = Field(
        default="ws://127.0.0.1:7880", description="LiveKit's WebSocket address."
    )
    livekit_api_key: str = Field(description="LiveKit's API key.")
    livekit_api_secret: SecretStr = Field(description="LiveKit's API secret.")
    worker_livekit: LiveKitName = Field(
        default=LiveKitName.OWN,
        description="Which LiveKit these are the address and the keys of: `own`, or `fallback` for "
        "the dialer's LIVEKIT_FALLBACK_URL. A worker serves one.",
    )
    livekit_agent_name: str = Field(
        default="telephony", description="The name that jobs are dispatched to."
    )
    openai_base_url: str = Field(
        default="https://api.openai.com/v1",
        description="The OpenAI-compatible endpoint of the models.",
    )
    openai_api_key: SecretStr = Field(
        default=SecretStr("unused"), description="Its key; local models take any."
    )
    spool_dir: Path = Field(
        default=Path("spool"), description="Where events wait until the dialer has stored them."
    )
    recordings_dir: Path = Field(
        default=Path("recordings"), description="Where the audio of calls is kept."
    )
    worker_http_host: str = Field(
        default="127.0.0.1", description="Where the health endpoint listens."
    )
    worker_http_port: int = Field(
        default=8081, ge=0, le=65535, description="The health endpoint's port; 0 takes a free one."
    )
    media_timeout_seconds: float = Field(
        default=12.0,
        gt=0,
        description="Without a packet from the callee for this long, the call is over. Keep it "
        "below the bridge's own limit (15 s), which cannot tell this from a hang-up.",
    )
    media_timeout_initial_seconds: float = Field(
        default=20.0, gt=0, description="The same, before the first packet."
    )
    drain_timeout_seconds: int = Field(
        default=14_700,
        ge=0,
        description="How long live calls may go on after SIGTERM; the longest call by default.",
    )
    worker_memory_limit_mb: int = Field(
        default=2048,
        ge=0,
        description="Above this much resident memory the process takes no more calls and is "
        "replaced when its last one ends; above 1.25 times as much its calls are given to "
        "others and it ends. 0: no limit.",
    )
    worker_failpoints: bool = Field(
        default=False,
        description="For tests only: lets a call's metadata name a fault for its worker.",
    )
    log_level: str = Field(
        default="INFO",
        pattern=r"^(DEBUG|INFO|WARNING|ERROR)$",
        description="The least severe log line that is written.",
    )

    @property
    def dialer_urls(self) -> list[str]:
        """Give the addresses of the API's processes, the preferred one first."""
        return [url.strip() for url in self.dialer_url.split(",") if url.strip()]

    @property
    def own_spool(self) -> Path:
        """Give this worker's own folder in the spool, so that workers never replay each other."""
        return self.spool_dir / self.worker_id

    @property
    def media_timeout(self) -> timedelta:
        """Give media_timeout_seconds as a timedelta."""
        return timedelta(seconds=self.media_timeout_seconds)

    @property
    def media_timeout_initial(self) -> timedelta:
        """Give media_timeout_initial_seconds as a timedelta."""
        return timedelta(seconds=self.media_timeout_initial_seconds)
