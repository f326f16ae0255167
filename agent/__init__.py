"""The data plane: a LiveKit worker that holds telephone conversations."""

__version__ = "0.1.0"
