"""Functions that a student wrote, called in a process of their own: what they do cannot harm the check."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PATIENCE_S = 15.0
_PROBE = """
import json, sys
sys.path.insert(0, ".")
module, asked = json.load(sys.stdin)
told = []
try:
    import importlib, numpy
    student = importlib.import_module(module)
    for name, values in asked:
        try:
            values = [numpy.array(one, dtype=float) if isinstance(one, list) else one for one in values]
            told.append(numpy.asarray(getattr(student, name)(*values), dtype=float).tolist())
        except Exception as error:
            told.append(f"{type(error).__name__}: {error}")
except BaseException as error:
    told = [f"{type(error).__name__}: {error}"] * len(asked)
sys.stdout.write("\\n" + json.dumps(told))
"""


def called(folder: Path, module: str, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
    """Return what functions of a student's module answer, each call a name and its arguments.

    Lists arrive as arrays of NumPy; answers are numbers or lists of them. An answer that is a text says what went
    wrong: in that function, in the module, or that it took more than 15 seconds.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE],
            cwd=folder,
            input=json.dumps([module, calls]),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        told = json.loads(done.stdout.rpartition("\n")[2])
    except subprocess.TimeoutExpired:
        return [f"{module}.py took more than {PATIENCE_S:.0f} s"] * len(calls)
    except ValueError:
        told = None
    if not isinstance(told, list) or len(told) != len(calls):
        return [f"{module}.py ended before it answered"] * len(calls)
    return told


def close(told: Any, true: Any, share: float = 0.01) -> bool:
    """Tell whether an answer is that number, or those numbers, within a share of each."""
    if isinstance(true, list):
        there = isinstance(told, list) and len(told) == len(true)
        return there and all(close(one, right, share) for one, right in zip(told, true, strict=True))
    return isinstance(told, int | float) and abs(told - true) <= share * abs(true)


def shown(told: Any) -> str:
    """Return an answer as people read it, a long one shortened."""
    if isinstance(told, list):
        return "[" + ", ".join(shown(one) for one in told[:4]) + ("…]" if len(told) > 4 else "]")
    return f"{told:.5g}" if isinstance(told, float) else str(told)
