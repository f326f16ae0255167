"""Which LiveKit a call is at: our own, or the one that stands in for it."""
