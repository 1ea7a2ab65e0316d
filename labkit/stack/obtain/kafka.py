"""Kafka: the jars of a release from Maven Central, into the cache of the user's.

Each jar is held to the digest in kafka_jars/, every time before it is used: 44 MB take 0.1 s.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import rmtree

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain import java
from labkit.stack.obtain.maven import Jars
from labkit.stack.obtain.program import Program, Say
from labkit.stack.obtain.user_cache import alone_in, caches, writable_cache
from labkit.stack.obtain.workspace import workspace

LOCKED = Path(__file__).with_name("kafka_jars")
BINDING = "org.slf4j:slf4j-simple:1.7.36"  # Kafka's own log goes through SLF4J 1.7
WITHOUT = "without Kafka: lab up --profile core"


@dataclass(frozen=True)
class Release:
    """One release of Kafka as a source of the stack; `path` of what it gives is the folder of the jars."""

    name: str
    version: str

    @cached_property
    def jars(self) -> Jars:
        coordinates = (f"org.apache.kafka:kafka_2.13:{self.version}", BINDING)
        return Jars(self.name, self.version, coordinates, LOCKED / f"{self.version}.sha256", WITHOUT)

    @property
    def folder(self) -> str:
        return f"kafka-{self.version}"

    def find(self, home: Home) -> Program | None:
        for cache in caches(home):
            if self.flaw(cache / self.folder) is None:
                origin = f"{len(self.jars.locked)} jars from Maven Central, their digests verified"
                return Program(self.name, str(cache / self.folder), self.version, origin)
        return None

    def flaw(self, folder: Path) -> str | None:
        """Return what keeps the folder from being this release, None when it is, jar by jar."""
        try:
            there = {path.name: path for path in folder.iterdir()}
        except OSError:
            return f"{folder} is not there"
        return self.jars.flaw(there)

    def would(self, home: Home) -> str:
        flaws = [self.flaw(cache / self.folder) for cache in caches(home) if (cache / self.folder).exists()]
        because = f"{flaws[0]}: " if flaws and flaws[0] else ""
        return f"{because}fetch {len(self.jars.locked)} jars (44 MB) from Maven Central into {caches(home)[0]}"

    def obtain(self, home: Home, say: Say) -> Program:
        runtime = java.find(home) or java.obtain(home, say)
        cache = writable_cache(home)
        with alone_in(cache, say), workspace(cache) as folder:
            if found := self.find(home):  # another command has obtained it meanwhile
                return found
            kept = folder / "jars"
            kept.mkdir()
            for name, path in self.jars.fetch(folder, runtime, say).items():
                path.replace(kept / name)
            rmtree(cache / self.folder, ignore_errors=True)
            kept.replace(cache / self.folder)
        found = self.find(home)
        if found is None:
            raise CannotRun(f"{cache / self.folder} changed while it was put there; next: lab up again")
        return found


CURRENT = Release("kafka", "4.3.1")
LEGACY = Release("kafka-legacy", "3.9.2")
