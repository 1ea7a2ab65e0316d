"""Obtaining the servers: each source finds one or gets it, in the order that its module says."""

import sys
from collections.abc import Iterable

from labkit.home import Home
from labkit.stack.obtain import alertmanager, elasticsearch, java, kafka, prometheus, redis, traefik
from labkit.stack.obtain.program import Program, Say, Source

SOURCES: dict[str, Source] = {
    "redis-server": redis,
    "java": java,
    "kafka": kafka.CURRENT,
    "kafka-legacy": kafka.LEGACY,
    "traefik": traefik,
    "prometheus": prometheus,
    "alertmanager": alertmanager,
    "elasticsearch": elasticsearch,
}


def python() -> Program:
    """Return the interpreter that runs this; it runs our own services."""
    return Program("python", sys.executable, ".".join(map(str, sys.version_info[:3])), "the interpreter that runs lab")


def obtain_all(names: Iterable[str], home: Home, say: Say) -> dict[str, Program]:
    """Find or get the named programs; raises CannotRun for the first that cannot be had."""
    programs = {"python": python()}
    for name in names:
        source = SOURCES[name]
        found = source.find(home)
        if found is None:
            say(f"{name}: obtaining it ({source.would(home)})")
            found = source.obtain(home, say)
        say(f"{name} {found.version}: {found.origin}")
        programs[name] = found
    return programs
