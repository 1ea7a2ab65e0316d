"""Jars from Maven Central, fetched by jgo; each is held to a digest that is kept in a file, as sha256sum writes it."""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from labkit.errors import CannotRun
from labkit.stack.obtain.program import Program, Say
from labkit.stack.obtain.workspace import reason, run


@dataclass(frozen=True)
class Jars:
    """What belongs to one release: `coordinates` as Maven names them, `digests` the file, `without` the way round."""

    name: str
    version: str
    coordinates: tuple[str, ...]
    digests: Path
    without: str

    @cached_property
    def locked(self) -> dict[str, str]:
        """The names of the jars with their digests."""
        lines = self.digests.read_text(encoding="ascii").splitlines()
        return {name: digest for digest, name in (line.split() for line in lines)}

    def flaw(self, there: dict[str, Path]) -> str | None:
        """Return what keeps these files, by name, from being the release, jar by jar; None when they are."""
        if missing := sorted(self.locked.keys() - there.keys()):
            return f"{missing[0]} is missing"
        if others := sorted(there.keys() - self.locked.keys()):
            return f"{others[0]} is not one of its jars"
        for name, digest in self.locked.items():
            with there[name].open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    return f"{name} is not what it was when it was locked (another sha256)"
        return None

    def fetch(self, folder: Path, runtime: Program, say: Say) -> dict[str, Path]:
        """Have jgo resolve and download into the folder; return the files by name, held to their digests.

        Raises CannotRun.
        """
        resolved, repository = folder / "resolved", folder / "repository"
        command = [
            sys.executable, "-m", "jgo", "--resolver", "python", "--system-java", "--class-path-only",
            "--color", "plain", "--cache-dir", str(resolved), "--repo-cache", str(repository),
            "info", "jars", "+".join(self.coordinates),
        ]  # fmt: skip
        binaries = Path(runtime.path).parent  # jgo would fetch a Java of its own if it saw none
        env = {"PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "JAVA_HOME": str(binaries.parent)}

        def progress() -> str:
            there = len(list(repository.rglob("*.jar")))
            state = f"{there} of {len(self.locked)} jars" if there else "asking Maven Central which jars belong to it"
            return f"{self.name} {self.version}: {state}"

        try:
            run(command, folder, say, timeout=600, env=env, progress=progress)
        except (subprocess.SubprocessError, OSError) as error:
            raise CannotRun(
                f"{self.name} {self.version} is not in the cache and cannot be fetched from Maven Central "
                f"({reason(error)}); next: connect to the network once, or {self.without}"
            ) from None
        jars = {jar.name: jar for jar in resolved.rglob("*.jar")}
        if flaw := self.flaw(jars):
            raise CannotRun(
                f"{self.name} {self.version} as Maven Central gives it is refused: {flaw}; next: {self.without}"
            )
        return jars
