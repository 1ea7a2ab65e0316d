"""Running the checks of a lab on a student's work."""

import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from labkit.check.finding import Finding
from labkit.course.manifest import Lab
from labkit.course.student import read_student
from labkit.course.work import Work
from labkit.course.workspace import started_folder, work_folder
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.ports import port_base
from labkit.stack.record import read_record
from labkit.urls import discover

CHECKS_ARE = ("-o", "python_files=check_*.py", "-o", "python_functions=check_*", "-o", "filterwarnings=")


def work_on(lab: Lab, home: Home, environ: Mapping[str, str]) -> Work:
    """Return the work that is there. Raises CannotRun when the lab was not started, and while no stack is up."""
    work = work_folder(home, environ)
    folder = started_folder(lab, work)
    try:
        urls = discover(environ, home)
    except CannotRun as error:
        raise CannotRun(f"{str(error).partition('; next: ')[0]}; next: lab start {lab.number}") from error
    record = read_record(home.run)
    base = record.base if record is not None and record.alive() else port_base(environ)
    return Work(lab, folder, read_student(work).numbers(lab), urls, home, base)


def check_work(work: Work, tell: Callable[[Finding], None] = lambda _: None, only: str = "") -> list[Finding]:
    """Run the lab's checks in the order of its file; each finding is told as soon as it is there.

    `only` chooses checks as pytest's -k does. Raises CannotRun when the file itself cannot be run.
    """
    import pytest

    from labkit.course.plugin import Findings

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # locust's would patch the sockets of this process
    plugin = Findings(work, tell)
    arguments = [str(work.lab.check_file), "--rootdir", str(work.lab.folder), "-c", os.devnull, *CHECKS_ARE]
    arguments += ["--import-mode=importlib", "-p", "no:cacheprovider", "--capture=no", *(["-k", only] if only else [])]
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = pytest.main(arguments, plugins=[plugin])
    if plugin.broken or code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        why = plugin.broken[0] if plugin.broken else said.getvalue().strip().splitlines()[-1:] or code
        raise CannotRun(f"the checks of lab {work.lab.number} cannot run: {why}; next: git status labs")
    return plugin.found
