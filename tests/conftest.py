"""Fixtures of every tier."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["tests.kit.running", "tests.kit.stack", "tests.kit.fault_rows"]

# A busy machine is slow and not wrong, and the same commit gets the same verdict each time: new
# examples are looked for on purpose (`--hypothesis-profile=search`), and what that finds becomes a
# test of its own.
settings.register_profile("gateway", deadline=None, print_blob=True, derandomize=True)
settings.register_profile("search", deadline=None, print_blob=True, max_examples=3000)
settings.load_profile("gateway")
