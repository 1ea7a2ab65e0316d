"""From the catalogue to a plan: decide on the edge, obtain the programs, write configuration and secrets."""

import os
import secrets
from collections.abc import Mapping

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack import catalogue
from labkit.stack.component import Plan
from labkit.stack.entry import Site, needed_programs
from labkit.stack.obtain import SOURCES, obtain_all
from labkit.stack.obtain.program import Say

NO_EDGE = "no edge: one api process, and the service URL is its own (no Traefik in front of it)"


def choose_edge(home: Home, environ: Mapping[str, str]) -> str:
    """Return traefik or none: what EDGE asks for, else traefik where it can be had.

    Raises CannotRun for another value of EDGE, and when it asks for a Traefik that is not there.
    """
    wanted = environ.get("EDGE", "")
    if wanted not in ("", "none", "traefik"):
        raise CannotRun(f"EDGE is {wanted!r}; it can be traefik or none; next: EDGE=none lab up")
    if wanted == "none":
        return "none"
    if SOURCES["traefik"].find(home) is None:
        if wanted == "traefik":
            SOURCES["traefik"].obtain(home, print)
        return "none"
    return "traefik"


def set_up(home: Home, base: int, edge: str, say: Say) -> Site:
    """Obtain every program of the catalogue and return the site; nothing is written to the run folder yet."""
    if edge == "none":
        say(NO_EDGE)
    entries = catalogue.entries(edge)
    return Site(home, base, entries, obtain_all(needed_programs(entries), home, say))


def make_plan(site: Site, edge: str) -> Plan:
    return Plan(
        components=tuple(site.component(entry) for entry in site.entries),
        base=site.base,
        edge=edge,
        urls=catalogue.addresses(site, edge),
    )


def write_folders(site: Site, plan: Plan) -> None:
    """Write what the supervisor and the components read: folders, key, configuration, plan."""
    home = site.home
    for folder in (home.lab, home.run, home.data, home.logs, home.runs):
        folder.mkdir(parents=True, exist_ok=True)
    make_key(home)
    site.write_files()
    plan.save(home.run / "plan.json")


def make_key(home: Home) -> None:
    """Make the API key unless there is one: random, readable by its owner alone from the first moment on."""
    home.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.secrets.chmod(0o700)
    path = home.secrets / "api-key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        return
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
