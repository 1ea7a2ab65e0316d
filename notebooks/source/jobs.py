"""Waiting for a job's answer as a client does: by asking again."""

import time
from collections.abc import Mapping

import httpx

from labkit.errors import CannotRun

PATIENCE_S = 20.0
PAUSE_S = 0.05


def questions_until_done(api: httpx.Client, ticket: str, headers: Mapping[str, str]) -> list[httpx.Response]:
    """Ask for a job at `ticket` until it is done or failed; return every answer. Raises CannotRun after 20 s."""
    found: list[httpx.Response] = []
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found.append(api.get(ticket, headers=dict(headers)))
        if found[-1].json().get("status") in ("done", "failed"):
            return found
        time.sleep(PAUSE_S)
    raise CannotRun(f"the job at {ticket} was not answered in {PATIENCE_S:g} s; next: lab kafka lag")
