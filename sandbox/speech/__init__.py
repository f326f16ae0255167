"""Offline speech for the sandbox: real ears, real voices and a scripted chat over OpenAI's API.

``python -m sandbox.speech --host 127.0.0.1 --port 8080`` serves it; ``docs/sandbox-speech.md`` has
the whole story.
"""

from sandbox.speech.settings import tell_nobody

tell_nobody()
