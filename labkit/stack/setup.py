"""From the catalogue to a plan: decide on the edge, obtain the programs, write configuration and secrets."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.keys.keyring import KeyRing
from labkit.stack import catalogue
from labkit.stack.component import Plan
from labkit.stack.edge import write_replicas
from labkit.stack.entry import Site, needed_programs
from labkit.stack.obtain import SOURCES, obtain_all
from labkit.stack.obtain.program import Say
from labkit.stack.obtain.prometheus import find_promtool
from labkit.stack.obtain.workspace import reason, run, workspace

RULES = "monitoring/prometheus/rules"
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


def set_up(home: Home, base: int, edge: str, profiles: tuple[str, ...], say: Say) -> Site:
    """Obtain every program of the catalogue and return the site; nothing is written to the run folder yet."""
    if edge == "none":
        say(NO_EDGE)
    entries = catalogue.entries(edge, profiles)
    return Site(home, base, entries, obtain_all(needed_programs(entries), home, say))


def make_plan(site: Site, edge: str, profiles: tuple[str, ...]) -> Plan:
    return Plan(
        components=tuple(site.component(entry) for entry in site.entries),
        base=site.base,
        edge=edge,
        profiles=profiles,
        urls=catalogue.addresses(site, edge),
    )


def write_folders(site: Site, plan: Plan, say: Say) -> None:
    """Write what the supervisor and the components read: folders, keys, configuration, plan."""
    home = site.home
    shared = (home.data / "feedback", home.data / "models", home.data / "logs")
    for folder in (home.lab, home.run, home.data, home.logs, home.runs, *shared):
        folder.mkdir(parents=True, exist_ok=True)
    KeyRing(home.secrets).make_own()
    check_rules(home)
    site.write_files()
    if plan.edge == "traefik":
        write_replicas(home.run, plan.urls["replicas"], (), 0)
    prepare(site, say)
    plan.save(home.run / "plan.json")


def check_rules(home: Home) -> None:
    """Raise CannotRun for a rule that Prometheus would not take; where no promtool is, its own start finds it."""
    files = sorted(str(path.relative_to(home.root)) for path in (home.root / RULES).glob("*.yml"))
    tool = find_promtool(home)
    if tool is None or not files:
        return
    command = [str(tool), "check", "rules", *files]
    done = subprocess.run(command, cwd=home.root, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        found = next((line.strip() for line in done.stderr.splitlines() if line.startswith(RULES)), done.stderr[-200:])
        raise CannotRun(f"Prometheus would refuse {found}; next: correct it, then lab up")


def prepare(site: Site, say: Say) -> None:
    """Run what must run before a component's first start; raises CannotRun when it fails."""
    for entry in site.entries:
        if entry.once is None or Path(site.fill(entry.once.makes, entry)).exists():
            continue
        say(f"{entry.name}: preparing its data folder")
        with workspace(site.home.cache) as folder:
            try:
                run([site.fill(text, entry) for text in entry.once.command], folder, say, timeout=60)
            except (subprocess.SubprocessError, OSError) as error:
                raise CannotRun(
                    f"the data folder of {entry.name} cannot be prepared ({reason(error)}); "
                    f"next: remove {site.home.data / entry.name} and lab up again"
                ) from None
