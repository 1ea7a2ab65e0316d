"""Which engine `lab up`, `lab down` and `lab status` mean, and what of it does that."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from labkit.engines.engine import ENGINES
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Say
from labkit.stack.status import Status
from labkit.urls import published, running

Start = Callable[[Home, Mapping[str, str], Say, Sequence[str]], bool]
Stop = Callable[[Home, Say], bool]
Look = Callable[[Home], Status]


def starter(engine: str | None, home: Home) -> Start:
    """Return what starts the deployment and returns once all is ready; False when it was up already.

    Raises CannotRun while another engine's is up.
    """
    there = running(home)
    if there is not None and there.engine != (engine or "process"):
        raise CannotRun(f"a stack of the engine {there.engine} is up here; next: lab down")
    found: Start = _part(engine or "process", "start")
    return found


def stopper(engine: str | None, home: Home) -> Stop:
    """Return what ends the deployment; False when there is none."""
    found: Stop = _part(engine or _present(home), "stop")
    return found


def looker(engine: str | None, home: Home) -> Look:
    """Return what looks at the deployment."""
    found: Look = _part(engine or _present(home), "look")
    return found


def _present(home: Home) -> str:
    """Return the engine of what is up, or was and has not been ended by `lab down`."""
    there = running(home) or published(home)
    return there.engine if there is not None else "process"


def _part(engine: str, name: str) -> Any:
    if engine not in ENGINES:
        raise CannotRun(f"no engine {engine!r}; there are: {', '.join(ENGINES)}; next: lab up --engine compose")
    try:
        return getattr(import_module(ENGINES[engine]), name)
    except AttributeError:
        raise CannotRun(
            f"the engine {engine} has no `lab {name}`; next: lab check deployment --engine {engine}"
        ) from None
