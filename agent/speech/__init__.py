"""The agent's models. Each mode of speech (now: a pipeline of STT, LLM and TTS) is one module."""
