"""deploy/compose as an operator has it: a copy with .env and secrets, read by Compose's parser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandbox.folders import PROJECT
from sandbox.servers_build import build_compose_reader

COMPOSE: Final = PROJECT / "deploy" / "compose"
_SETTING: Final = re.compile(r"^([A-Z0-9_]+)=(.*)$", re.MULTILINE)


def example() -> dict[str, str]:
    """Give the names and values of .env.example."""
    return dict(_SETTING.findall((COMPOSE / ".env.example").read_text(encoding="utf-8")))


class NotValid(Exception):
    """The parser refused the file; the message holds its words."""


@dataclass(frozen=True)
class Server:
    """A folder in which an operator would say ``docker compose up``."""

    folder: Path

    @property
    def secrets(self) -> Path:
        """Give the folder of the secrets."""
        return self.folder / "secrets"

    def project(self) -> dict[str, Any]:
        """Read compose.yaml with its .env.

        Errors: NotValid.
        """
        command = [str(build_compose_reader()), "compose.yaml", ".env"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise NotValid(done.stderr)
        return json.loads(done.stdout)

    def setting(self, name: str) -> str:
        """Read a line of .env."""
        return dict(_SETTING.findall((self.folder / ".env").read_text(encoding="utf-8")))[name]

    def secret(self, name: str) -> str:
        """Read a secret."""
        return (self.secrets / name).read_text(encoding="utf-8")

    def fill_in(self, name: str, value: str) -> None:
        """Write a secret, as an operator's editor does."""
        (self.secrets / name).write_text(value + "\n", encoding="utf-8")


def server(folder: Path, **settings: str) -> Server:
    """Do what README.md says, up to ``docker compose up``: .env, secrets, config."""
    shutil.copytree(COMPOSE, folder, ignore=shutil.ignore_patterns(".env", "secrets", "config"))
    lines = [f"{name}={value}" for name, value in (example() | settings).items()]
    (folder / ".env").write_text("\n".join([*lines, ""]), encoding="utf-8")
    subprocess.run([folder / "make-secrets"], check=True, capture_output=True, timeout=30)
    (folder / "config").mkdir()
    shutil.copyfile(PROJECT / "agents.yaml", folder / "config" / "agents.yaml")
    return Server(folder)
