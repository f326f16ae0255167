"""Run the command line: ``python -m dialer``."""

from __future__ import annotations

from dialer.cli import app

app(prog_name="dialer")
