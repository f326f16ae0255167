"""The data plane: a LiveKit worker that holds telephone conversations."""

from agent.settings import tell_nobody

__version__ = "0.1.0"

# Before any other module of ours can load what listens to it.
tell_nobody()
