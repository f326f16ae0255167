"""Every row of the fault matrix has a test, or a reason why not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.faults.matrix import LEFT_OUT, ROWS

TESTS = Path(__file__).resolve().parents[1]


def marked(path: Path) -> Iterator[str]:
    """Give the rows that the marks of a file name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
            for argument in node.args:
                assert isinstance(argument, ast.Constant), f"{path}: a row is named by a constant"
                yield str(argument.value)


def test_every_row_has_a_test_or_a_reason() -> None:
    shown = {row for path in TESTS.rglob("test_*.py") for row in marked(path)}

    assert shown <= ROWS.keys(), "marks that name no row"
    assert not shown & LEFT_OUT.keys(), "rows that are shown need no excuse"
    assert ROWS.keys() == shown | LEFT_OUT.keys(), "rows without a test"
    assert all(len(reason) > 20 for reason in LEFT_OUT.values())
