"""Calls to our own numbers."""
