"""The options that the commands of `dialer trunks` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FilePath = Annotated[
    Path | None, typer.Option("--file", "-f", help="The file; else TRUNKS_FILE, else trunks.yaml.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
IKnow = Annotated[bool, typer.Option("--i-know", help="Take networks that admit everybody.")]
