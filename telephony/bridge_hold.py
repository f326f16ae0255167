"""Whether the bridge still holds its end of a call: the question, and what the answers mean.

livekit-server 1.13.5 loses a leaving now and then: the bridge says that it leaves and closes its
signal connection, and the request's context is cancelled before its last words are through the
relay. LiveKit then takes the phone for still there, for some twenty seconds. The phone's data
channel tells the truth: a bridge that let go has closed it, one that died or stands still has not,
and one that is there answers.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

#: A method that no bridge has: a bridge that is there says so.
METHOD: Final = "telephony.there"
#: Units: milliseconds. livekit-server itself gives up on an answer after two seconds.
ANSWER_WITHIN: Final = 1_500

_NO_SUCH_METHOD: Final = "RpcError 1400"
_NO_ANSWER: Final = ("RpcError 1501", "RpcError 1502")
_CLOSED: Final = ("stream closed", "closed pipe")


class Hold(StrEnum):
    """What the bridge's end of a call is found to be."""

    THERE = "there"
    #: It closed its end: the phone was hung up, whoever missed that.
    LET_GO = "let_go"
    #: Nothing comes from it, and nothing was closed: it died, or stands still.
    NO_ANSWER = "no_answer"
    #: LiveKit could not ask it, or has nobody of that name.
    UNKNOWN = "unknown"


def told_by(code: str, message: str) -> Hold:
    """Read the refusal with which LiveKit's room service answers the question.

    Source: livekit-server 1.13.5 ``ParticipantImpl.PerformRpc``, and what it said of a bridge that
    was there, had let go, stood still and was killed.
    """
    if _NO_SUCH_METHOD in message:
        return Hold.THERE
    if any(error in message for error in _NO_ANSWER):
        return Hold.NO_ANSWER
    if code == "internal" and message.endswith(_CLOSED):
        return Hold.LET_GO
    return Hold.UNKNOWN
