"""What the data of an event may hold."""

from __future__ import annotations

import pytest

from telephony.call import EndedBy, EndedReason
from telephony.events import Ended, Turn


@pytest.mark.parametrize("control", ["\x00", "\x07", "\r", "\x1b", "\x7f"])
def test_control_characters_are_left_out_of_texts(control: str) -> None:
    ended = Ended.model_validate(
        {
            "ended_reason": "busy",
            "ended_by": "callee",
            "sip_status": f"Busy{control} Here",
            "message": control,
        }
    )
    assert (ended.sip_status, ended.message) == ("Busy Here", "")
    assert ended.ended_reason is EndedReason.BUSY and ended.ended_by is EndedBy.CALLEE


def test_words_keep_their_lines_and_every_letter() -> None:
    words = "Grüß Gott,\n\t\u4f60\u597d \U0001f600"
    assert Turn(speaker="callee", text=words).text == words
