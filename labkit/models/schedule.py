"""Periodic retraining in the foreground."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.models.retraining import retrained
from labkit.models.routes import tried
from labkit.models.steps import step

Run = dict[str, Any]
"""The facts of a retraining, with "canary" when one was started; or only "error"."""


def run_every(seconds: float, times: int | None, run: Callable[[], None]) -> None:
    """Call `run` now and every `seconds`, `times` times or until Ctrl-C; in a thread, never two at once.

    A run that lasts longer than the pause makes the next ones fall out: they are not made up for.
    """
    from apscheduler.schedulers.blocking import BlockingScheduler  # type: ignore[import-untyped]  # has no types

    logging.getLogger("apscheduler").setLevel("ERROR")
    scheduler = BlockingScheduler(timezone=UTC)
    left = times

    def counted() -> None:
        nonlocal left
        try:
            run()
        finally:
            if left is not None:
                left -= 1
                if left == 0:
                    scheduler.shutdown(wait=False)

    now = datetime.now(UTC)
    scheduler.add_job(counted, "interval", seconds=seconds, next_run_time=now, coalesce=True, misfire_grace_time=None)
    try:
        scheduler.start()
    except KeyboardInterrupt:
        scheduler.shutdown(wait=False)


def retraining(home: Home, model: str, canary: float | None) -> Run:
    """Retrain once; with `canary` (percent) a new version gets that share. Never raises CannotRun."""
    try:
        facts = retrained(home, model)
        version = facts["registered"]
        if version and canary is not None:
            facts["canary"] = step(home, model, lambda route, _: tried(route, version, canary)).to_dict()
    except CannotRun as error:
        return {"model": model, "error": str(error)}
    return facts


def line(run: Run) -> str:
    """Return one run in one line."""
    if "error" in run:
        return f"{run['model']}: cannot run: {run['error']}"
    what = f"{run['registered']} registered" if run["registered"] else "nothing registered"
    words = f"{run['model']}: {what}: {run['reason']}; {run['new']} new of {run['feedback_rows']} feedback rows"
    if canary := run.get("canary"):
        late = f", but not at {', '.join(canary['not_following'])}" if canary["not_following"] else ""
        words += f"; {canary['canary']} gets {canary['weight']:g} %{late}"
    return words
