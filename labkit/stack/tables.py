"""The tables of `lab status` and `lab doctor`, for people."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labkit.stack.doctor import Diagnosis
from labkit.stack.profiles import PROFILES
from labkit.stack.setup import NO_EDGE
from labkit.stack.status import Status

COLOUR = {"ready": "green", "held": "yellow"}


def megabytes(size: int | None) -> str:
    """Return a size in MB (10^6 bytes), "-" when it is not known."""
    return "-" if size is None else f"{size / 1e6:.0f}"


def _console() -> Console:
    """Return a console that wraps nothing where nobody sees it: a file or a pipe gets whole lines."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=200)


def print_status(seen: Status, console: Console | None = None) -> None:
    console = console or _console()
    if not seen.rows:
        console.print("the stack is down; next: lab up")
        return
    if seen.edge == "none":
        console.print(NO_EDGE)
    table = Table("name", "state", box=None, pad_edge=False, header_style="bold")
    for title in ("pid", "port", "RSS MB", "PSS MB", "CPU %", "restarts"):
        table.add_column(title, justify="right")
    table.add_column("last exit", no_wrap=True)
    for row in seen.rows:
        colour = COLOUR.get(row.state, "red")
        table.add_row(
            row.name,
            f"[{colour}]{row.state}[/]",
            str(row.pid or "-"),
            str(row.port or "-"),
            megabytes(row.rss),
            megabytes(row.pss),
            "-" if row.cpu_percent is None else f"{row.cpu_percent:.0f}",
            str(row.restarts),
            escape(row.last_exit or ""),
        )
    console.print(table)
    console.print(f"profile: {', '.join(seen.profiles)}")
    console.print(f"memory: {megabytes(seen.pss)} MB in all (PSS; the sum of RSS is {megabytes(seen.rss)} MB)")
    if not seen.up:
        names = ", ".join(row.name for row in seen.rows if row.state != "ready") or f"phase {seen.phase}"
        held = next((row.name for row in seen.rows if row.state == "held"), None)
        console.print(f"[red]not ready: {names}[/]; next: {f'lab start {held}' if held else 'lab logs NAME'}")


def print_diagnosis(diagnosis: Diagnosis, console: Console | None = None) -> None:
    console = console or _console()
    machine = diagnosis.machine
    console.print(f"machine   {machine['system']}, {machine['cores']} cores")
    console.print(
        f"memory    {megabytes(machine['memory_available'])} MB free of {megabytes(machine['memory_total'])} MB; "
        f"disk {megabytes(machine['disk_free'])} MB free, state folder {megabytes(machine['state_size'])} MB"
    )
    console.print(f"project   {escape(diagnosis.project)}")
    console.print(f"state     {escape(diagnosis.state)}")
    console.print(f"ports     {diagnosis.ports}")
    console.print("profile   " + "; ".join(f"{name}: {PROFILES[name]}" for name in diagnosis.profiles))
    for finding in diagnosis.programs:
        where = f"; {finding.path}" if finding.path else ""
        console.print(f"{finding.name:<13} {finding.version or '-':<9} {escape(finding.origin + where)}")
    console.print(f"stack     {diagnosis.stack.phase}")
    if diagnosis.stack.rows:
        print_status(diagnosis.stack, console)
    for measure in diagnosis.memory:
        colour = "green" if measure.good else "red"
        size = f"[{colour}]{megabytes(measure.size)} MB[/] {measure.measured}"
        console.print(f"{measure.what}: {size}, at most {megabytes(measure.limit)} MB")
    for problem in diagnosis.problems:
        console.print(f"[red]problem[/]   {escape(problem)}")
    if diagnosis.good:
        console.print("[green]good[/]      lab up can work here")
