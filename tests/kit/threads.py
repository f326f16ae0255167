"""What a process has running, as the kernel tells it."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from pathlib import Path

#: The media library's thread behind a source of sound that keeps a queue; the kernel cuts names.
AUDIO_SOURCE = "AudioSourceCapt"


def threads(pid: int | None = None) -> Counter[str]:
    """Count a process's threads by name; without a process, those of this one."""
    found: Counter[str] = Counter()
    for task in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
        with contextlib.suppress(OSError):
            found[(task / "comm").read_text().strip()] += 1
    return found
