"""The settings of `dialer trunks`: the only place of trunks/ where the environment is read."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dotenv import dotenv_values
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What `dialer trunks` reads, besides the names that the file refers to."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    trunks_file: str = Field(
        default="trunks.yaml", description="The file that describes trunks and numbers."
    )
    deployment: str = Field(
        default="tel",
        description="Marks what is ours at carriers and in LiveKit, where the file names none.",
    )


def environment() -> Mapping[str, str]:
    """Give what the file may refer to: the environment, and `.env` for what it lacks."""
    from_file = {name: value or "" for name, value in dotenv_values(".env").items()}
    return {**from_file, **{name: value for name, value in os.environ.items() if value}}
