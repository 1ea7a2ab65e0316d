"""The ports of the stack: one base for all, and who holds one that is taken."""

import socket
from collections.abc import Iterable, Mapping

import psutil

from labkit.errors import CannotRun

HOST = "127.0.0.1"
DEFAULT_BASE = 18000
SPAN = 400  # up to 299 for the catalogue, from 300 for what a student runs beside the stack
LOAD_GENERATOR = 203  # offset of the metrics of a running load


def port_base(environ: Mapping[str, str]) -> int:
    """Return LAB_PORT_BASE, or its default; raises CannotRun when it is no number that leaves room for all ports."""
    text = environ.get("LAB_PORT_BASE", "").strip() or str(DEFAULT_BASE)
    if not (text.isascii() and text.isdigit() and 1024 <= int(text) <= 65535 - SPAN):
        raise CannotRun(
            f"LAB_PORT_BASE is {text!r}; it must be a whole number from 1024 to {65535 - SPAN}; "
            f"next: LAB_PORT_BASE={DEFAULT_BASE + 1000} lab up"
        )
    return int(text)


def free(port: int) -> bool:
    """Tell whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT does not matter
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def check_free(claims: Iterable[tuple[str, int]], base: int) -> None:
    """Take pairs of component and port; raise CannotRun for the first that is taken: by whom, and the next step."""
    for name, port in claims:
        if not free(port):
            other = base + 1000 if base + 1000 <= 65535 - SPAN else DEFAULT_BASE
            who, stop = holder(port)
            raise CannotRun(f"port {port} ({name}) is taken{who}; next: LAB_PORT_BASE={other} lab up, or {stop}")


def holder(port: int) -> tuple[str, str]:
    """Return who listens on a port (" by NAME, pid N", empty when it cannot be seen) and how to end it."""
    try:
        listeners = [
            connection.pid
            for connection in psutil.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        ]
        pid = next((pid for pid in listeners if pid), None)
        if pid is None:
            return "", "stop the process that holds it"
        process = psutil.Process(pid)
        project, state, _ = process.cwd().partition("/.lab/")  # where the components of a stack run
        if state:
            return f" by the stack of {project} ({process.name()}, pid {pid})", f"`lab down` in {project}"
        return f" by {process.name()} (pid {pid})", f"stop process {pid}"
    except psutil.Error:
        return "", "stop the process that holds it"
