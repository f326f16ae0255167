"""Subscriptions to the events of rooms and sessions, given back all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Emitter(Protocol):
    """Whatever has events."""

    def on(self, event: Any, callback: Any) -> Any:
        """Subscribe."""
        ...

    def off(self, event: Any, callback: Any) -> Any:
        """Unsubscribe."""
        ...


class Subscriptions:
    """What one object listens to."""

    def __init__(self) -> None:
        self._held: list[tuple[Emitter, str, Callable[..., None]]] = []

    def on(self, emitter: Emitter, event: str, callback: Callable[..., None]) -> None:
        """Listen to an event."""
        emitter.on(event, callback)
        self._held.append((emitter, event, callback))

    def close(self) -> None:
        """Listen to nothing any more."""
        while self._held:
            emitter, event, callback = self._held.pop()
            emitter.off(event, callback)
