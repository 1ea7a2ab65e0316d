"""The command `lab notebook`."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labkit.home import Home


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    app.command()(notebook)


def notebook(
    name: Annotated[str | None, typer.Argument(help="One notebook, such as logs. Default: all of them.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the notebooks with their questions.")] = False,
    executed: Annotated[
        bool, typer.Option("--execute", help="Run it here, without a browser; print its answer.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only say where JupyterLab listens.")] = False,
    port: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=65535, help="Default: the first free one from 8888 on.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --list or --execute: facts for a machine.")] = False,
) -> None:
    """Open the notebooks in JupyterLab, on loopback, until Ctrl-C.  Example: lab notebook logs

    They ask the stack that is up, or show recorded samples when none is. You work on copies of your own in
    work/notebooks; delete one to have it anew. What JupyterLab needs is installed at the first time.
    With --execute: exit code 1 when a cell fails.
    """
    from labkit.errors import CannotRun
    from labkit.home import find_home

    home = find_home()
    if listed:
        _list(home, as_json)
    elif executed:
        if name is None:
            raise CannotRun("--execute runs one notebook; next: lab notebook --list, then lab notebook NAME --execute")
        raise typer.Exit(_execute(home, name, as_json))
    elif as_json:
        raise CannotRun("--json goes with --list or --execute; next: add one of them")
    else:
        _open(home, name, no_browser, port)


def _list(home: "Home", as_json: bool) -> None:
    from dataclasses import asdict

    from labkit.notebooks.shelf import notebooks, shown

    found = [shown(file) for file in notebooks(home)]
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
        return
    for one in found:
        print(f"{one.name:22} {one.question}")


def _execute(home: "Home", name: str, as_json: bool) -> int:
    """Return the exit code."""
    from labkit.notebooks.environment import install
    from labkit.notebooks.shelf import notebook as find

    file = find(home, name)
    install(home, _say)
    from labkit.notebooks.executing import execute

    done = execute(file, home.lab / "notebooks" / file.name, home, os.environ)
    if as_json:
        facts = {"notebook": file.stem, "file": str(done.file), "source": done.source, "answer": done.answer}
        print(json.dumps({**facts, "failed": done.failed or None}, indent=2, ensure_ascii=False))
    else:
        print(f"{done.source}\n\n{done.answer}".strip())
        print(f"\nwith its outputs: {done.file}", file=sys.stderr)
        if done.failed:
            print(f"lab: a cell of {file.stem} failed: {done.failed}", file=sys.stderr)
    return 1 if done.failed else 0


def _open(home: "Home", name: str | None, no_browser: bool, port: int | None) -> None:
    """Become JupyterLab: Ctrl-C and the exit code are its own."""
    from labkit.notebooks.environment import install, jupyter_environment
    from labkit.notebooks.shelf import notebook as find
    from labkit.notebooks.shelf import notebooks, own_copy

    chosen = [find(home, name)] if name else notebooks(home)
    install(home, _say)
    copies = [own_copy(file, home, os.environ) for file in chosen]
    os.chdir(copies[0].parent)
    environment = jupyter_environment(home, os.environ)
    os.execve(sys.executable, lab_command(copies[0] if name else None, no_browser, port), environment)  # noqa: S606  (no shell is what we want)


def lab_command(file: Path | None, no_browser: bool, port: int | None) -> list[str]:
    """Return the command that starts JupyterLab in the working folder, on loopback alone, its token kept."""
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", "--ServerApp.root_dir=."]
    command += ["--KernelManager.transport_encryption=auto"]
    command += ["--LabApp.extension_manager=readonly", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"] if port is not None else []
    command += ["--no-browser"] if no_browser else []
    # In a container one often is root; Jupyter's cells can do no more than the shell that called us.
    command += ["--allow-root"] if os.geteuid() == 0 else []
    # Not as an argument: the address that is printed has to lead to it, too.
    command += [f"--LabApp.default_url=/lab/tree/{file.name}"] if file else []
    return command


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
