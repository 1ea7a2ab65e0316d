"""The engine that a command means: the one that is named, else the one whose deployment is up."""

from collections.abc import Mapping

from labkit.engines.engine import Engine, engine_of
from labkit.home import Home
from labkit.stack.obtain.program import Say
from labkit.urls import running


def present_engine(name: str | None, home: Home, environ: Mapping[str, str], say: Say) -> Engine:
    """Return it. Raises CannotRun for an unknown name, and when nothing of that engine is up."""
    if name is None:
        urls = running(home)
        name = "process" if urls is None else urls.engine
    return engine_of(name, home, environ, say)


def refresh(home: Home, environ: Mapping[str, str], say: Say) -> None:
    """Bring the published addresses up to date: containers come and go without `lab`, too."""
    urls = running(home)
    if urls is not None and urls.engine not in ("process", "external"):
        engine_of(urls.engine, home, environ, say).urls()
