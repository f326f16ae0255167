"""Desired state of trunks and numbers: what a file wants, made so at carriers and in LiveKit."""
