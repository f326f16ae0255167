"""Fixtures of every tier."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["tests.kit.running", "tests.kit.stack", "tests.kit.fault_rows"]

# A busy machine is slow and not wrong; what fails is printed so that it can be run again.
settings.register_profile("gateway", deadline=None, print_blob=True)
settings.load_profile("gateway")
