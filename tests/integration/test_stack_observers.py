"""What the stack does for those that watch it: order of the stop, log files, rules, Alertmanager."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack import logs
from labkit.stack.component import Component, Plan
from labkit.stack.control import stop
from labkit.stack.entry import Site
from labkit.stack.obtain import SOURCES
from labkit.stack.obtain.prometheus import find_promtool
from labkit.stack.setup import write_folders
from tests.eventually import eventually
from tests.integration.stack_folder import ROOT, quiet
from tests.integration.test_stack_supervisor import free_port, servant, up

# Listens; when it is asked to stop, notes whether another still listens.
SINK = """
import pathlib, signal, socket, sys
port, other, note = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
def end(*_):
    with socket.socket() as probe:
        note.write_text("there" if probe.connect_ex(("127.0.0.1", other)) == 0 else "gone")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
server = socket.create_server(("127.0.0.1", port))
while True:
    signal.pause()
"""
# Writes a log of its own, and opens it again when it is told to.
WRITER = """
import pathlib, signal, sys
path = pathlib.Path(sys.argv[1])
def begin(*_):
    path.open("a").write("begun\\n")
signal.signal(signal.SIGUSR1, begin)
begin()
while True:
    signal.pause()
"""


@pytest.mark.parametrize(("before", "sender"), [(("sink",), "gone"), ((), "there")], ids=["before", "control"])
def test_what_receives_is_stopped_after_what_sends_to_it(home: Home, before: tuple[str, ...], sender: str) -> None:
    """The sender ignores the request to stop until its time is over."""
    port, listening, note = free_port(), free_port(), home.lab / "note"
    deaf = (
        "import signal, socket; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"server = socket.create_server(('127.0.0.1', {listening}))\nwhile True: signal.pause()"
    )
    command = (sys.executable, "-c", SINK, str(port), str(listening), str(note))
    up(
        home,
        Component("sink", command, {}, {"sink": port}, (f"tcp://127.0.0.1:{port}",)),
        Component(
            "sender",
            (sys.executable, "-c", deaf),
            probes=(f"tcp://127.0.0.1:{listening}",),
            before=before,
            stop_within=1,
        ),
    )
    stop(home, quiet)
    assert note.read_text() == sender


def test_a_log_that_a_program_writes_itself_is_moved_away_and_opened_again(home: Home) -> None:
    log = home.logs / "own.log"
    log.write_text("of the start before\n")
    writer = Component("writer", (sys.executable, "-c", WRITER, str(log)), own_log=str(log))
    up(home, writer, replace(servant(home, "store")))
    eventually(log.is_file, what="the log")
    old = log.with_name("own.log.1")
    assert old.read_text() == "of the start before\n"
    eventually(lambda: log.read_text() == "begun\n", what="its first line")
    os.truncate(log, logs.LIMIT + 1)
    eventually(lambda: old.stat().st_size == logs.LIMIT + 1, what="it is moved away")
    eventually(lambda: log.is_file() and log.read_text() == "begun\n", what="it is opened again")


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("up > 1", None),
        ("sum(up", r'rules/a.yml: 4:27: group "a", rule 1, "a:b:c": could not parse expression.*; next: correct it'),
    ],
    ids=["control", "wrong"],
)
def test_a_rule_that_prometheus_would_refuse_is_one_line(tmp_path: Path, rule: str, line: str | None) -> None:
    program = Home(ROOT, ROOT / ".lab")
    if SOURCES["prometheus"].find(program) is None:
        SOURCES["prometheus"].obtain(program, quiet)
    if find_promtool(program) is None:
        pytest.skip("the Prometheus of this machine came without promtool")
    rules = tmp_path / "monitoring" / "prometheus" / "rules"
    rules.mkdir(parents=True)
    (rules / "a.yml").write_text(f"groups:\n- name: a\n  rules:\n  - {{record: a:b:c, expr: {rule}}}\n")
    home = Home(tmp_path, tmp_path / ".lab")
    home.lab.mkdir()
    home.cache.symlink_to(program.cache)
    place, plan = Site(home, 18000, (), {}), Plan((), 18000, "none", {})
    if line is None:
        write_folders(place, plan, quiet)
    else:
        with pytest.raises(CannotRun, match=line):
            write_folders(place, plan, quiet)
        assert not (home.run / "plan.json").exists()
