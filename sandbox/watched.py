"""Start processes that cannot outlive the supervisor."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.folders import PROJECT, Folders
from sandbox.leash import MARK

#: Registers its own group with the watcher, then becomes the program; its pid stays the same.
_REGISTER = 'echo "$$" >&0; exec "$@" </dev/null'


class Watcher:
    """Our end of the pipe to the process that ends everything when we are gone."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._process: subprocess.Popen[str] | None = None
        self._pipe = -1

    def begin(self, known: Sequence[int] = ()) -> None:
        """Start the watcher; gives back when it watches, which is after an older one has ended."""
        read, self._pipe = os.pipe()
        command = [sys.executable, "-m", "sandbox.leash", str(self._folders.state)]
        command += [str(self._folders.leash_lock), str(self._folders.description), str(os.getpid())]
        command += map(str, known)
        self._process = subprocess.Popen(
            command,
            stdin=read,
            stdout=subprocess.PIPE,
            cwd=PROJECT,
            text=True,
            start_new_session=True,
        )
        os.close(read)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "watching\n":
            raise RuntimeError("the watcher did not start")

    def gone(self) -> bool:
        """Tell whether the watcher itself was killed."""
        return self._process is not None and self._process.poll() is not None

    def begin_again(self, groups: Sequence[int]) -> None:
        """Start another watcher for what runs already."""
        os.close(self._pipe)
        self.begin(groups)

    async def start(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> asyncio.subprocess.Process:
        """Start a program in a session of its own, its output appended to the log."""
        with log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                _REGISTER,
                "sandbox",
                *command,
                stdin=self._pipe,
                stdout=output,
                stderr=output,
                cwd=PROJECT,
                env={**environment, MARK: str(self._folders.state)},
                start_new_session=True,
            )

    def ended(self, group: int) -> None:
        """Tell that a group is gone: its number may soon be somebody else's."""
        try:
            os.write(self._pipe, f"-{group}\n".encode())
        except OSError:  # the watcher was killed; the supervisor starts another one
            return

    def end(self) -> None:
        """Let go of the watcher, which then ends what is left."""
        if self._process is None:
            return
        os.close(self._pipe)
        self._process.wait(timeout=20)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
