"""Speech by a pipeline: speech to text, a language model, text to speech.

All three are reached over one OpenAI-compatible endpoint, a user's own local models as well as a
cloud's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import openai as openai_sdk
from livekit.agents import APIConnectOptions, llm, stt, tts
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.plugins import openai

from agent.speech.endpoint import open_client
from agent.speech.shared import SharedModels
from telephony.dial_request import AgentConfig

#: The other side waits for every one of these: one more try, soon, and then the apology.
CONNECT: Final = SessionConnectOptions(
    stt_conn_options=APIConnectOptions(max_retry=1, retry_interval=0.2, timeout=5.0),
    llm_conn_options=APIConnectOptions(max_retry=1, retry_interval=0.2, timeout=5.0),
    tts_conn_options=APIConnectOptions(max_retry=1, retry_interval=0.2, timeout=5.0),
    max_unrecoverable_errors=0,
)


@dataclass(frozen=True)
class Pipeline:
    """The three models of one call, on connections of their own."""

    stt: stt.STT[Any]
    llm: llm.LLM[Any]
    tts: tts.TTS[Any]
    client: openai_sdk.AsyncClient

    async def aclose(self) -> None:
        """Close the models and their connections."""
        await self.stt.aclose()
        await self.llm.aclose()
        await self.tts.aclose()
        await self.client.close()


async def warm_up(shared: SharedModels) -> bool:
    """Ask the models' endpoint who it is, so that no call pays for first use; say if it answered.

    What is paid for here is mostly code that is loaded with the first request.
    """
    client = open_client(shared)
    try:
        await asyncio.wait_for(client.models.list(), 3)
    except (openai_sdk.OpenAIError, TimeoutError):
        return False
    finally:
        await client.close()
    return True


@asynccontextmanager
async def a_voice(shared: SharedModels, model: str, voice: str) -> AsyncGenerator[tts.TTS[Any]]:
    """Give a voice for a phrase that belongs to no call."""
    client = open_client(shared)
    speech = openai.TTS(model=model, voice=voice, client=client, response_format="pcm")
    try:
        yield speech
    finally:
        await speech.aclose()
        await client.close()


def build_pipeline(config: AgentConfig, shared: SharedModels) -> Pipeline:
    """Make the models of one call; costs no network and no disk."""
    client = open_client(shared)
    return Pipeline(
        stt=openai.STT(
            model=config.models.stt, language=config.language, client=client, use_realtime=False
        ),
        llm=openai.LLM(model=config.models.llm, client=client),
        tts=openai.TTS(
            model=config.models.tts, voice=config.voice, client=client, response_format="pcm"
        ),
        client=client,
    )
