"""The two witnesses of a call: its worker, and LiveKit."""
