"""Running a notebook from its first cell to its last without a browser."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.home import Home
from labkit.notebooks.environment import jupyter_environment

CELL_WITHIN_S = 120
START_WITHIN_S = 120
ANSWER = "answer"
"""The tag of the cell that a notebook ends with."""


@dataclass(frozen=True)
class Executed:
    """How it went: `source` is the first output, `answer` that of the answer cell, `failed` the error of a cell."""

    file: Path
    source: str
    answer: str
    failed: str


def execute(file: Path, to: Path, home: Home, environ: Mapping[str, str]) -> Executed:
    """Execute a notebook in a kernel of its own, on loopback, and write it with its outputs to `to`."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    book = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        book,
        timeout=CELL_WITHIN_S,
        startup_timeout=START_WITHIN_S,
        kernel_name="python3",
        config=Config({"KernelManager": {"transport_encryption": "auto"}}),
        resources={"metadata": {"path": str(file.parent)}},
    )
    failed = ""
    try:
        client.execute(env=jupyter_environment(home, environ))
    except CellExecutionError as error:
        failed = f"{error.ename}: {error.evalue}"
    except (CellTimeoutError, DeadKernelError) as error:
        failed = f"{type(error).__name__}: {error}".splitlines()[0]
    to.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, to)  # type: ignore[no-untyped-call]
    said = [(cell, printed(cell)) for cell in book.cells if cell.cell_type == "code"]
    return Executed(
        file=to,
        source=next((text for _, text in said if text), ""),
        answer=next((text for cell, text in said if ANSWER in cell.metadata.get("tags", ())), ""),
        failed=failed,
    )


def printed(cell: Any) -> str:
    """Return what a cell printed."""
    return "".join(one.text for one in cell.outputs if one.output_type == "stream" and one.name == "stdout").strip()
