"""The rows of the fault matrix, and the reason for each that no test shows."""

from __future__ import annotations

from typing import Final

ROWS: Final = {
    "F1": "the API is killed after the commit and before the reply; the client tries again",
    "F2": "a dispatcher is killed with a claim in its hand",
    "F3": "a process is killed after the permit, with the dialling under way",
    "F4": "the reply to the dialling stalls past the client's patience",
    "F5": "livekit-sip is down",
    "F6": "livekit-sip is over its CPU limit",
    "F7": "livekit-sip is killed mid-call",
    "F8": "livekit-sip is asked to stop",
    "F9": "livekit-server is killed mid-call",
    "F10": "livekit-server is down for minutes",
    "F11": "a worker is killed mid-call",
    "F12": "a call blocks its process, or eats its memory",
    "F13": "no worker is registered",
    "F14": "a dispatch is accepted and no agent joins",
    "F15": "two agents end up in one room",
    "F16": "Redis comes back empty",
    "F17": "Redis is frozen",
    "F18": "the database is down or locked",
    "F19": "the carrier refuses",
    "F20": "the carrier says that calls come too fast",
    "F21": "the carrier is silent",
    "F22": "it rings for ever",
    "F23": "200 OK crosses CANCEL",
    "F24": "answered, and no RTP comes, or it stops",
    "F25": "a BYE is lost",
    "F26": "the callee hangs up during the greeting",
    "F27": "a hang-up by the API, ringing and mid-call",
    "F28": "re-INVITE for hold, another port, a session's refresh; UPDATE",
    "F29": "RTP ports run out",
    "F30": "the longest duration, with worker and API dead",
    "F31": "LiveKit's webhooks do not come, come twice, come in another order",
    "F35": "the disk is full",
    "F36": "a flood of unauthenticated requests at the bridge",
    "F38": "a rolling restart under load",
}

#: Rows that no test shows, each with its reason.
LEFT_OUT: Final[dict[str, str]] = {}
