"""The API keys of users who hand in jobs and feedback, and why a run may have no such users."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path

from labkit.errors import CannotRun
from labkit.urls import Urls, discover

LOAD_KEYS = "load-keys"
"""File beside the stack's own key: several clients, one key a line, so that every partition gets work."""

_turns = itertools.count()


def urls_of(host: str | None, environ: Mapping[str, str] = os.environ) -> Urls:
    """Return what is known of the deployment at `host`: only the local stack's own addresses come with its keys."""
    try:
        return discover({**environ, "LAB_SERVICE_URL": host or ""})
    except CannotRun:
        return Urls(service=host or "", api_key_file=environ.get("LAB_API_KEY_FILE"), kafka=environ.get("LAB_KAFKA"))


def known_keys(urls: Urls, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return LAB_API_KEY, else the keys of the load's clients, else the stack's one key; empty when there is none."""
    own = urls.api_key(environ)
    if own is None or environ.get("LAB_API_KEY") or urls.api_key_file is None:
        return (own,) if own else ()
    try:
        lines = (Path(urls.api_key_file).parent / LOAD_KEYS).read_text(encoding="ascii").split()
    except OSError:
        lines = []
    return tuple(lines) or (own,)


def reason_to_stay_out(urls: Urls, environ: Mapping[str, str] = os.environ) -> str:
    """Return why no user can hand in jobs or feedback there, with the next step; empty when they can."""
    if not known_keys(urls, environ):
        return "no API key is known for them; next: set LAB_API_KEY, or lab keys add NAME where the service runs"
    if urls.engine != "external" and urls.kafka is None:
        return "this stack has no Kafka; next: lab down, then lab up without --profile core"
    return ""


def next_key(host: str | None) -> str | None:
    """Return the key of a new user, the known ones in turn; None when there is none."""
    keys = known_keys(urls_of(host))
    return keys[next(_turns) % len(keys)] if keys else None
