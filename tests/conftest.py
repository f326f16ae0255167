"""Fixtures of every tier."""

from __future__ import annotations

pytest_plugins = ["tests.kit.running", "tests.kit.stack", "tests.kit.fault_rows"]
