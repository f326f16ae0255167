"""The baseline: a worker in the shape that LiveKit's published telephony examples have.

The framework's defaults throughout: a process for each job, models made inside of it. Dialling out,
the session is started while the phone is dialled, and the greeting generated once the callee is
there. For somebody who calls, the session is started and the greeting generated. It knows nothing
of this project.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, cast

from livekit import api
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli
from livekit.plugins import openai, silero

_CALLEE = "callee"

_Start: TypeAlias = Callable[..., Coroutine[Any, Any, None]]


async def entrypoint(context: JobContext) -> None:
    """Hold one call, ours or the caller's."""
    await context.connect()
    asked: dict[str, Any] = json.loads(context.job.metadata)
    session = _session(str(asked["models_url"]))
    # The SDK's overloads for this method are only partly typed.
    start: _Start = cast("Any", session).start
    if "phone_number" in asked:
        await _call(context, asked, session, start)
    else:
        await start(Agent(instructions="You answer the phone. Be brief."), room=context.room)
        session.generate_reply(instructions="Greet the caller and offer your help.")


def _session(base_url: str) -> AgentSession[None]:
    return AgentSession(
        vad=silero.VAD.load(),
        stt=openai.STT(base_url=base_url, api_key="bench", use_realtime=False),
        llm=openai.LLM(model="gpt-4o-mini", base_url=base_url, api_key="bench"),
        tts=openai.TTS(base_url=base_url, api_key="bench"),
    )


async def _call(
    context: JobContext, asked: dict[str, Any], session: AgentSession[None], start: _Start
) -> None:
    agent = Agent(instructions="You call to confirm an appointment. Be brief.")
    started = asyncio.create_task(start(agent, room=context.room))
    try:
        await context.api.sip.create_sip_participant(
            api.CreateSIPParticipantRequest(
                room_name=context.room.name,
                sip_trunk_id=asked["trunk_id"],
                sip_call_to=asked["phone_number"],
                sip_number=asked["caller_id"],
                participant_identity=_CALLEE,
                wait_until_answered=True,
            )
        )
    except api.TwirpError:
        started.cancel()
        context.shutdown()
        return
    await started
    await context.wait_for_participant(identity=_CALLEE)
    session.generate_reply(instructions="Greet the callee and say why you call.")


def _server(port: int, *, raised: bool) -> AgentServer:
    if not raised:
        return AgentServer(port=port)
    # Without a load of its own to tell, it is never passed over by livekit-server either.
    return AgentServer(port=port, load_threshold=math.inf, load_fnc=_idle)


def _idle(_: AgentServer) -> float:
    return 0.0


def main() -> None:
    """Run it: agent's name, ``raised`` or ``shipped``, port, then the framework's arguments."""
    name, threshold, port, *rest = sys.argv[1:]
    sys.argv[1:] = rest
    server = _server(int(port), raised=threshold == "raised")
    server.rtc_session(entrypoint, agent_name=name)
    cli.run_app(server)


if __name__ == "__main__":
    main()
