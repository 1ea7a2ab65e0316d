"""Kafka: the jars of a release from Maven Central, by jgo, into the cache of the user's.

Each jar is held to the digest in kafka_jars/, every time before it is used: 44 MB take 0.1 s.
"""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import rmtree

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain import java
from labkit.stack.obtain.program import Program, Say
from labkit.stack.obtain.user_cache import alone_in, caches, writable_cache
from labkit.stack.obtain.workspace import reason, run, workspace

LOCKED = Path(__file__).with_name("kafka_jars")
BINDING = "org.slf4j:slf4j-simple:1.7.36"  # Kafka's own log goes through SLF4J 1.7
WITHOUT = "without Kafka: lab up --profile core"


@dataclass(frozen=True)
class Release:
    """One release of Kafka as a source of the stack; `path` of what it gives is the folder of the jars."""

    name: str
    version: str

    @cached_property
    def locked(self) -> dict[str, str]:
        """The jars with their digests, as sha256sum writes them."""
        lines = (LOCKED / f"{self.version}.sha256").read_text(encoding="ascii").splitlines()
        return {name: digest for digest, name in (line.split() for line in lines)}

    @property
    def folder(self) -> str:
        return f"kafka-{self.version}"

    def find(self, home: Home) -> Program | None:
        for cache in caches(home):
            if self.flaw(cache / self.folder) is None:
                origin = f"{len(self.locked)} jars from Maven Central, their digests verified"
                return Program(self.name, str(cache / self.folder), self.version, origin)
        return None

    def flaw(self, folder: Path) -> str | None:
        """Return what keeps the folder from being this release, None when it is, jar by jar."""
        try:
            there = {path.name for path in folder.iterdir()}
        except OSError:
            return f"{folder} is not there"
        if missing := sorted(self.locked.keys() - there):
            return f"{missing[0]} is missing"
        if others := sorted(there - self.locked.keys()):
            return f"{others[0]} is not one of its jars"
        for name, digest in self.locked.items():
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    return f"{name} is not what it was when it was locked (another sha256)"
        return None

    def would(self, home: Home) -> str:
        flaws = [self.flaw(cache / self.folder) for cache in caches(home) if (cache / self.folder).exists()]
        because = f"{flaws[0]}: " if flaws and flaws[0] else ""
        return f"{because}fetch {len(self.locked)} jars (44 MB) from Maven Central into {caches(home)[0]}"

    def obtain(self, home: Home, say: Say) -> Program:
        runtime = java.find(home) or java.obtain(home, say)
        cache = writable_cache(home)
        with alone_in(cache, say), workspace(cache) as folder:
            if found := self.find(home):  # another command has obtained it meanwhile
                return found
            self._fetch(folder, runtime, say)
            rmtree(cache / self.folder, ignore_errors=True)
            (folder / "jars").replace(cache / self.folder)
        found = self.find(home)
        if found is None:
            raise CannotRun(f"{cache / self.folder} changed while it was put there; next: lab up again")
        return found

    def _fetch(self, folder: Path, runtime: Program, say: Say) -> None:
        """Have jgo resolve and download into the folder, take the jars, hold them to their digests."""
        resolved, repository, jars = folder / "resolved", folder / "repository", folder / "jars"
        command = [
            sys.executable, "-m", "jgo", "--resolver", "python", "--system-java", "--class-path-only",
            "--color", "plain", "--cache-dir", str(resolved), "--repo-cache", str(repository),
            "info", "jars", f"org.apache.kafka:kafka_2.13:{self.version}+{BINDING}",
        ]  # fmt: skip
        binaries = Path(runtime.path).parent  # jgo would fetch a Java of its own if it saw none
        env = {"PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "JAVA_HOME": str(binaries.parent)}

        def progress() -> str:
            there = len(list(repository.rglob("*.jar")))
            state = f"{there} of {len(self.locked)} jars" if there else "asking Maven Central which jars belong to it"
            return f"{self.name} {self.version}: {state}"

        try:
            run(command, folder, say, timeout=600, env=env, progress=progress)
            jars.mkdir()
            for jar in resolved.rglob("*.jar"):
                jar.replace(jars / jar.name)
        except (subprocess.SubprocessError, OSError) as error:
            raise CannotRun(
                f"{self.name} {self.version} is not in the cache and cannot be fetched from Maven Central "
                f"({reason(error)}); next: connect to the network once, or {WITHOUT}"
            ) from None
        if flaw := self.flaw(jars):
            raise CannotRun(f"{self.name} {self.version} as Maven Central gives it is refused: {flaw}; next: {WITHOUT}")


CURRENT = Release("kafka", "4.3.1")
LEGACY = Release("kafka-legacy", "3.9.2")
