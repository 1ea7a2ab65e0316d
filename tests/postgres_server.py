"""A real PostgreSQL for tests, where its programs are found: a private cluster in a folder of its own."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.eventually import eventually
from tests.service import end, free_ports, start_bound


def programs() -> Path | None:
    """Return the folder of `initdb` and `postgres`: Debian keeps them off PATH."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((one for one in found if (one / "initdb").exists() and (one / "postgres").exists()), None)


def _as_nobody() -> list[str]:
    """Return what a command starts with: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("nobody")
    return [
        shutil.which("setpriv") or "setpriv",
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        "--pdeathsig=KILL",  # a change of user takes off the one that `start_bound` has set
    ]


class PostgresServer:
    """One server; its port and its data stay the same when it is started again."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        (self.port,) = free_ports(1)
        self.url = f"postgresql+psycopg://tester@127.0.0.1:{self.port}/postgres"
        self._folder, self._binaries = folder, binaries
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        make = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "tester", "-A", "trust", "-E", "UTF8", "-N"]
        subprocess.run([*_as_nobody(), *make], check=True, capture_output=True, timeout=120, cwd=folder)
        self.start()

    def start(self) -> None:
        here = ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(self._folder), "-F"]
        with (self._folder / "postgres.log").open("ab") as log:
            program = [str(self._binaries / "postgres"), "-D", str(self._folder / "data"), *here]
            self.process = start_bound([*_as_nobody(), *program], stdout=log, stderr=log, cwd=self._folder)
        eventually(self._answers, within=30, what="PostgreSQL answers")

    def _answers(self) -> bool:
        where = f"host=127.0.0.1 port={self.port} user=tester dbname=postgres connect_timeout=2"
        with psycopg.connect(where) as connection:
            return connection.execute("select 1").fetchone() == (1,)

    def stop(self) -> None:
        end(self.process, signal.SIGINT)  # "fast shutdown": its other processes end with it


@contextlib.contextmanager
def running_postgres(binaries: Path) -> Iterator[PostgresServer]:
    """Start a server and end it. Not below pytest's folders, which only their owner may enter."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        server = PostgresServer(Path(name), binaries)
        try:
            yield server
        finally:
            server.stop()
