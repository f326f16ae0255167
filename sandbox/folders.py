"""Where the sandbox keeps its things."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
DEFAULT_STATE = PROJECT / ".sandbox"


@dataclass(frozen=True)
class Folders:
    """One sandbox's folder and what is in it.

    Shape: ``run`` is made anew at every start, ``data`` (calls, recordings, secrets) stays.
    """

    state: Path

    @property
    def description(self) -> Path:
        """Give the machine-readable file that says where everything is."""
        return self.state / "sandbox.json"

    @property
    def lock(self) -> Path:
        """Give the file that a running sandbox holds locked."""
        return self.state / "lock"

    @property
    def leash_lock(self) -> Path:
        """Give the file that the watcher of a running sandbox holds locked."""
        return self.state / "leash.lock"

    @property
    def logs(self) -> Path:
        """Give the folder with one log for each process."""
        return self.state / "logs"

    @property
    def held(self) -> Path:
        """Give the folder in which a file named as a process keeps it from being started again."""
        return self.state / "held"

    @property
    def run(self) -> Path:
        """Give the folder of rendered configuration."""
        return self.state / "run"

    @property
    def certificates(self) -> Path:
        """Give the folder of the sandbox's own authority and what it issued."""
        return self.run / "certificates"

    @property
    def data(self) -> Path:
        """Give the folder that outlives a run."""
        return self.state / "data"

    @property
    def recordings(self) -> Path:
        """Give the folder of the agent's recordings."""
        return self.data / "recordings"

    @property
    def carrier_recordings(self) -> Path:
        """Give the folder of what the simulated phones heard and said."""
        return self.data / "carrier"

    def make(self) -> None:
        """Make all folders, readable by their owner only: calls are personal."""
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        inside = (self.logs, self.held, self.run)
        for folder in (*inside, self.data, self.recordings, self.carrier_recordings):
            folder.mkdir(parents=True, exist_ok=True)

    def log_of(self, name: str) -> Path:
        """Give the log of a process."""
        return self.logs / f"{name}.log"
