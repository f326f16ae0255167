"""Which words of a speech were heard when it was cut off."""

from __future__ import annotations

import pytest

from agent.sound import Captions

TEXT = "Hello, this is the agent speaking to you."


async def captions(*pieces: str) -> Captions:
    """Make captions that were told these words."""
    told = Captions()
    for piece in pieces:
        await told.capture_text(piece)
    return told


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("played", "captured", "heard"),
    [
        (0.0, 4.0, ""),
        (0.1, 4.0, ""),
        (1.0, 4.0, "Hello,"),
        (2.0, 4.0, "Hello, this is the"),
        (4.0, 4.0, TEXT),
        # The words are all there, their audio is not yet: nobody speaks that fast.
        (0.5, 0.5, "Hello, this"),
    ],
)
async def test_words_are_heard_as_far_as_the_audio_was_played(
    played: float, captured: float, heard: str
) -> None:
    told = await captions("Hello, this is the agent ", "speaking to you.")
    assert told.heard(played, captured) == heard


@pytest.mark.asyncio
async def test_the_next_speech_begins_with_its_own_words() -> None:
    told = await captions(TEXT)
    told.flush()
    assert told.heard(4, 4) == TEXT
    await told.capture_text("Goodbye.")
    assert told.heard(1, 1) == "Goodbye."
