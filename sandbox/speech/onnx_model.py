"""Run an ONNX model on the CPU: the one place that deals with onnxruntime's loose types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

Floats = npt.NDArray[np.float32]
Tensor = npt.NDArray[Any]

_ERRORS_ONLY = 3


class OnnxModel:
    """A loaded model."""

    def __init__(self, path: Path, *, threads: int) -> None:
        runtime = cast(Any, onnxruntime)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Spinning wins a little on an idle machine and steals whole cores from calls on a busy one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.input_names: list[str] = [i.name for i in self._session.get_inputs()]
        self.output_names: list[str] = [o.name for o in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, Tensor]) -> list[Floats]:
        """Return every output, in the order of ``output_names``."""
        return cast(list[Floats], self._session.run(None, dict(inputs)))
