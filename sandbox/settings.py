"""What the sandbox takes from the environment: where caches are, and whose models to talk to."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The sandbox's own settings; all of them may be left out."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    xdg_cache_home: Path = Field(
        default_factory=lambda: Path.home() / ".cache",
        description="Where built servers and speech models are kept, in a folder `telephony`.",
    )
    openai_base_url: str = Field(
        default="",
        description="An OpenAI-compatible endpoint to talk to instead of the offline one.",
    )
    openai_api_key: SecretStr = Field(
        default=SecretStr("sandbox"), description="The key of that endpoint."
    )

    @property
    def cache(self) -> Path:
        """Give the product's folder in the user's cache."""
        return self.xdg_cache_home / "telephony"


def inherited() -> dict[str, str]:
    """Give the environment that the sandbox's processes inherit: paths, proxies, certificates.

    Shape: whatever of them loads onnxruntime keeps it from reporting to its maker.
    """
    return {"ORT_DISABLE_TELEMETRY": "1", **os.environ}
