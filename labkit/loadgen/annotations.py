"""A run on Grafana's time line: an annotation from its start to its end, when there is a Grafana.

The requests are those of Grafana's HTTP API: `POST /api/annotations`, then `PATCH /api/annotations/:id`, which makes
a region of it. Whatever Grafana says, the run goes on: the marks in the state folder hold the same.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

DEADLINE = httpx.Timeout(3.0, connect=1.0)


class Annotation:
    """The annotation of one run; `grafana` None writes none. The token is LAB_GRAFANA_TOKEN, or in the file that
    LAB_GRAFANA_TOKEN_FILE names.
    """

    def __init__(self, grafana: str | None, tags: tuple[str, ...], environ: Mapping[str, str] = os.environ) -> None:
        self._grafana = (grafana or "").rstrip("/")
        self._tags = list(tags)
        self._environ = environ
        self._id: int | None = None

    def start(self, text: str, at: float) -> None:
        """Write it at its start, epoch seconds."""
        if not self._grafana:
            return
        facts = {"time": round(at * 1000), "tags": self._tags, "text": text}
        answer = self._ask("POST", "/api/annotations", facts)
        self._id = answer.get("id") if answer is not None else None

    def end(self, text: str, start: float, end: float) -> None:
        """Make it reach from the start, now that it is known exactly, to the end."""
        if self._id is None:
            return
        facts = {"time": round(start * 1000), "timeEnd": round(end * 1000), "tags": self._tags, "text": text}
        self._ask("PATCH", f"/api/annotations/{self._id}", facts)

    def _ask(self, method: str, path: str, facts: dict[str, Any]) -> dict[str, Any] | None:
        try:
            token = self._token()
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            with httpx.Client(timeout=DEADLINE, trust_env=False) as client:
                answer = client.request(method, self._grafana + path, json=facts, headers=headers)
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
            return found
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            print(f"load: Grafana has no annotation of this run: {told(error)}", file=sys.stderr)
            return None

    def _token(self) -> str:
        if token := self._environ.get("LAB_GRAFANA_TOKEN", ""):
            return token
        path = self._environ.get("LAB_GRAFANA_TOKEN_FILE", "")
        return Path(path).read_text(encoding="ascii").strip() if path else ""


def told(error: Exception) -> str:
    """Return what went wrong and, where it is known, the next step."""
    if isinstance(error, httpx.HTTPStatusError):
        said = f"{error.request.url} answered {error.response.status_code} {error.response.text[:100]}"
        if error.response.status_code in (401, 403):
            return f"{said}; next: set LAB_GRAFANA_TOKEN to a service account's token that may write annotations"
        return said
    return f"{type(error).__name__}: {error}; next: check LAB_GRAFANA_URL and LAB_GRAFANA_TOKEN_FILE"
