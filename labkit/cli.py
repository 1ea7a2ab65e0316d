"""The `lab` command: each subject brings its commands, heavy imports wait until one of them runs."""

import signal
import sys
from types import FrameType

import typer

from labkit import demo
from labkit.alerts import commands as alert_commands
from labkit.check import commands as check_commands
from labkit.course import commands as course_commands
from labkit.course import export_commands, process_commands
from labkit.dashboards import commands as dashboard_commands
from labkit.engines import commands as engine_commands
from labkit.engines import release_commands
from labkit.errors import CannotRun
from labkit.kafka import commands as kafka_commands
from labkit.keys import commands as key_commands
from labkit.loadgen import commands as load_commands
from labkit.logs import commands as log_commands
from labkit.models import commands as model_commands
from labkit.notebooks import commands as notebook_commands
from labkit.prove import commands as prove_commands
from labkit.report import commands as report_commands
from labkit.stack import change_commands
from labkit.stack import commands as stack_commands

app = typer.Typer(
    name="lab",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Start an instrumented service, put load on it, see what happens.",
    epilog="Exit codes: 0 done or judged good, 1 judged bad, 2 cannot run.",
)
for subject in (
    demo,
    engine_commands,
    stack_commands,
    change_commands,
    release_commands,
    load_commands,
    report_commands,
    log_commands,
    alert_commands,
    dashboard_commands,
    kafka_commands,
    key_commands,
    model_commands,
    prove_commands,
    check_commands,
    course_commands,
    process_commands,
    export_commands,
    notebook_commands,
):
    subject.register(app)


def main() -> None:
    """Run the command; every end is an exit code, and at most one line on stderr says why."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    try:
        app()
    except CannotRun as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if isinstance(end.code, int) and end.code > 128:
            print("lab: interrupted", file=sys.stderr)
        raise


def _ended(number: int, _frame: FrameType | None) -> None:
    """Unwind as Ctrl-C does, so that what was started is stopped."""
    sys.exit(128 + number)
