"""The speech server's slice of the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

EngineChoice = Literal["auto", "kokoro", "flite", "espeak-ng"]


def tell_nobody() -> None:
    """Keep onnxruntime from reporting to its maker; before it is loaded."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


class SpeechSettings(BaseSettings):
    """Everything that can be set; all of it may be left out."""

    model_config = SettingsConfigDict(
        env_prefix="SPEECH_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    cache_home: Path = Field(
        default_factory=lambda: Path.home() / ".cache",
        validation_alias="XDG_CACHE_HOME",
        description="Where models and synthesised audio are kept, in a folder `telephony`.",
    )
    engine: EngineChoice = Field(
        default="auto",
        description="The voices: `auto` takes Kokoro, and flite or espeak-ng when it cannot load.",
    )
    voice_threads: int = Field(
        default=2, ge=1, le=16, description="Threads of a synthesis; they run at a lower priority."
    )
    ears_threads: int = Field(default=1, ge=1, le=16, description="Threads of a recognition.")
    max_waiting: int = Field(
        default=64,
        ge=1,
        description="How many sentences, and how many uploads, may wait before 503 is answered.",
    )
    memory_cache_mb: int = Field(
        default=64, ge=0, description="Synthesised audio kept in memory, in megabytes."
    )
    disk_cache_mb: int = Field(
        default=256, ge=0, description="Synthesised audio kept on disk, in megabytes; 0: none."
    )
    script: Path | None = Field(
        default=None, description="A script of your own, in the form of `script.yaml`."
    )
    log_level: str = Field(default="INFO", description="How much the server tells.")

    @property
    def models_dir(self) -> Path:
        """Give the folder of the models."""
        return self.cache_home / "telephony" / "models"

    @property
    def audio_cache_dir(self) -> Path:
        """Give the folder of audio kept between starts."""
        return self.cache_home / "telephony" / "speech-audio"
