"""The supervisor with small real processes: order, crash, restart, and what dies with whom."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.change import change, hold, release
from labkit.stack.component import Component, Plan
from labkit.stack.control import stop, supervise, sweep
from labkit.stack.record import Member, Record, read_record, write_record
from labkit.stack.status import look
from labkit.urls import running as running_urls
from tests.eventually import eventually
from tests.integration.stack_folder import ROOT, quiet, running

# Notes start and end in a journal, may start a process of its own, listens, ends on SIGTERM.
SERVANT = """
import os, pathlib, signal, socket, subprocess, sys
name, port, journal, child = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3]), sys.argv[4] == "child"
def note(word):
    with journal.open("a") as file:
        file.write(f"{word} {name}\\n")
def end(*_):
    note("end")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
if child:
    helper = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    (journal.parent / f"{name}.child").write_text(str(helper.pid))
note("start")
server = socket.create_server(("127.0.0.1", port))
while True:
    signal.pause()
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port: int = reserved.getsockname()[1]
        return port


def servant(home: Home, name: str, *needs: str, child: bool = False) -> Component:
    port = free_port()
    arguments = (name, str(port), str(home.lab / "journal"), "child" if child else "-")
    command = (sys.executable, "-c", SERVANT, *arguments)
    return Component(name, command, {}, {name: port}, (f"tcp://127.0.0.1:{port}",), needs, stop_within=5)


def up(home: Home, *components: Component) -> Record:
    home.run.mkdir(exist_ok=True)
    plan = Plan(components, 18000, "none", {"service": "http://127.0.0.1:1"})
    plan.save(home.run / "plan.json")
    supervise(home, plan, quiet)
    record = read_record(home.run)
    assert record is not None
    return record


def journal(home: Home) -> list[str]:
    path = home.lab / "journal"
    return path.read_text().splitlines() if path.exists() else []


def child_of(home: Home, name: str) -> int:
    return eventually(lambda: int((home.lab / f"{name}.child").read_text()), what="the child's pid")


def pids(record: Record) -> list[int]:
    return [process.pid for _, process in record.processes()]


def member(home: Home, name: str) -> Member:
    record = read_record(home.run)
    assert record is not None
    return next(member for member in record.members if member.name == name)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_components_start_in_dependency_order_and_stop_in_reverse(home: Home) -> None:
    up(home, servant(home, "edge", "service"), servant(home, "service", "store"), servant(home, "store"))
    assert journal(home) == ["start store", "start service", "start edge"]
    assert stop(home, quiet)
    assert journal(home)[3:] == ["end edge", "end service", "end store"]
    assert not home.run.exists()


def test_a_stop_ends_what_a_component_started_itself(home: Home) -> None:
    record = up(home, servant(home, "parent", child=True))
    everything = [*pids(record), child_of(home, "parent")]
    assert len(running(everything)) == 4
    stop(home, quiet)
    assert running(everything) == []


def test_a_component_that_ignores_the_request_to_stop_is_killed(home: Home) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
    record = up(home, Component("deaf", (sys.executable, "-c", deaf), stop_within=0.2))
    stop(home, quiet)
    assert running(pids(record)) == []


def test_a_stopped_component_can_still_be_ended(home: Home) -> None:
    record = up(home, servant(home, "frozen"))
    frozen = dict(record.processes())["frozen"].pid
    os.kill(frozen, signal.SIGSTOP)
    stop(home, quiet)
    assert journal(home) == ["start frozen", "end frozen"]


def test_a_crash_during_the_start_is_one_line_and_stops_the_others(home: Home) -> None:
    crash = "print('noise'); print('cannot read model iris.json'); raise SystemExit(3)"
    never = f"tcp://127.0.0.1:{free_port()}"
    service = Component("service", (sys.executable, "-c", crash), probes=(never,), needs=("store",))
    with pytest.raises(CannotRun) as caught:
        up(home, servant(home, "store"), service)
    line = "service crashed (exit code 3): cannot read model iris.json; next: lab logs service"
    assert str(caught.value) == line
    assert journal(home) == ["start store", "end store"]
    assert not home.run.exists()


def test_a_program_that_is_missing_is_one_line(home: Home) -> None:
    with pytest.raises(CannotRun, match=r"ghost crashed \(cannot be started: .*no-such-program.*next: lab logs ghost"):
        up(home, Component("ghost", ("/no-such-program",)))


def test_a_component_that_never_gets_ready_is_named_with_what_it_answered(home: Home) -> None:
    port = free_port()
    idle = (sys.executable, "-c", "import signal; signal.pause()")
    with pytest.raises(CannotRun, match=rf"idle not ready after 0.5 s \(tcp://127.0.0.1:{port}: Connection refused\)"):
        up(home, Component("idle", idle, probes=(f"tcp://127.0.0.1:{port}",), ready_within=0.5))


def test_a_crashed_component_is_started_again_and_counted(home: Home) -> None:
    record = up(home, servant(home, "store"), servant(home, "service", "store"))
    before = dict(record.processes())
    kill(before["store"].pid)
    eventually(lambda: (m := member(home, "store")).restarts == 1 and m.state == "ready", what="restarted")
    seen = member(home, "store")
    assert seen.last_exit == "killed by SIGKILL"
    assert seen.process is not None
    assert seen.process.pid != before["store"].pid
    assert member(home, "service").process == before["service"], "the other component was left alone"


def test_a_component_that_cannot_come_back_is_tried_again_and_its_exit_is_shown(home: Home) -> None:
    flag = home.lab / "broken"
    program = f"import pathlib, signal, sys\nif pathlib.Path({str(flag)!r}).exists(): sys.exit(4)\nsignal.pause()"
    record = up(home, Component("shaky", (sys.executable, "-c", program)))
    flag.touch()
    kill(dict(record.processes())["shaky"].pid)
    eventually(lambda: member(home, "shaky").restarts >= 2, what="tried again")
    assert member(home, "shaky").last_exit == "exit code 4"
    assert running([record.supervisor.pid]), "the supervisor outlives it"


def test_a_killed_supervisor_leaves_nothing(home: Home) -> None:
    record = up(home, servant(home, "store"), servant(home, "service", "store", child=True))
    everything = [*pids(record), child_of(home, "service")]
    kill(record.supervisor.pid)
    eventually(lambda: running(everything) == [], within=5, what="all processes have ended")
    eventually(lambda: not home.run.exists(), within=5, what="the run folder is removed")


def test_a_supervisor_killed_with_its_guard_leaves_no_component(home: Home) -> None:
    """The kernel's death signal alone; the control is that a grandchild, which it does not reach, survives."""
    record = up(home, servant(home, "service", child=True))
    grandchild = child_of(home, "service")
    assert record.guard is not None
    try:
        kill(record.guard.pid)
        kill(record.supervisor.pid)
        eventually(lambda: running(pids(record)) == [], within=5, what="supervisor, guard and component have ended")
        assert running([grandchild]), "only the guard could have ended it"
    finally:
        kill(grandchild)


PARENT = """
import os, pathlib, signal, sys
from labkit.stack.spawn import start
folder, dies = pathlib.Path(sys.argv[1]), sys.argv[2] == "dies"
child = start([sys.executable, "-c", "import signal; signal.pause()"], os.environ, folder / "log", folder,
              dies_with_parent=dies)
print(child.pid, flush=True)
signal.pause()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the death signal is Linux's")
@pytest.mark.parametrize("dies", [True, False], ids=["protected", "control"])
def test_a_child_dies_with_its_parent_only_when_asked_to(tmp_path: Path, dies: bool) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), "dies" if dies else "lives"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    try:
        if dies:
            eventually(lambda: running([child]) == [], within=5, what="the child has ended")
        else:
            eventually(lambda: psutil.Process(child).ppid() != parent.pid, what="the child is an orphan")
            assert running([child])
    finally:
        if not dies:
            kill(child)


def test_what_a_dead_supervisor_left_is_found_by_its_record_and_ended(home: Home) -> None:
    """As after a kill of supervisor and guard on a system without the death signal."""
    record = up(home, servant(home, "store"))
    survivor = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], process_group=0)
    with survivor:
        identity = replace(record.supervisor, pid=survivor.pid, started=psutil.Process(survivor.pid).create_time())
        stop(home, quiet)
        home.run.mkdir()
        left = Member("store", "ready", identity, None, 0, None)
        write_record(home.run, replace(record, members=(left,)))
        said: list[str] = []
        sweep(home, said.append)
        assert survivor.wait(timeout=5) == -signal.SIGKILL
    assert said == [f"killing store (pid {survivor.pid}), left by a stack whose supervisor is gone"]
    assert not home.run.exists()


def test_a_record_of_another_boot_harms_nobody(home: Home) -> None:
    """The pid in it belongs to somebody else now: only the run folder is removed."""
    record = up(home, servant(home, "store"))
    stop(home, quiet)
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], process_group=0) as bystander:
        stale = replace(record.supervisor, pid=bystander.pid)
        home.run.mkdir()
        left = Member("store", "ready", replace(stale, started=stale.started - 3600), None, 0, None)
        write_record(home.run, replace(record, supervisor=replace(stale, started=1.0), guard=None, members=(left,)))
        assert not stop(home, quiet)
        assert bystander.poll() is None
        bystander.kill()
    assert not home.run.exists()


def with_parts(*parts: Component) -> Callable[[Plan], Plan]:
    """Return the change after which the plan has these components, in this order."""
    return lambda plan: replace(plan, components=parts)


def test_a_new_component_starts_after_what_it_needs_and_a_gone_one_is_stopped(home: Home) -> None:
    store, old = servant(home, "store"), servant(home, "old", "store")
    before = dict(up(home, store, old).processes())
    edge, service = servant(home, "edge", "service"), servant(home, "service", "store")
    assert change(home, with_parts(store, edge, service), quiet) == ("old", "edge", "service")
    assert journal(home)[:2] == ["start store", "start old"]
    assert sorted(journal(home)[2:]) == ["end old", "start edge", "start service"]
    assert journal(home).index("start service") < journal(home).index("start edge")
    seen = look(home)
    assert seen.up
    assert [row.name for row in seen.rows] == ["supervisor", "guard", "store", "service", "edge"]
    assert member(home, "store").process == before["store"], "what did not change was left alone"
    assert stop(home, quiet)
    assert journal(home)[-3:] == ["end edge", "end service", "end store"]


def test_a_gone_component_that_ignores_the_request_is_killed(home: Home) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
    store = servant(home, "store")
    record = up(home, store, Component("deaf", (sys.executable, "-c", deaf), stop_within=0.2))
    change(home, with_parts(store), quiet)
    assert running([dict(record.processes())["deaf"].pid]) == []
    assert running([record.supervisor.pid, dict(record.processes())["store"].pid])


def test_the_addresses_follow_the_plan(home: Home) -> None:
    store = servant(home, "store")
    up(home, store)
    more = servant(home, "more")
    change(home, lambda plan: replace(plan, components=(store, more), urls={"service": "http://other"}), quiet)
    urls = running_urls(home)
    assert urls is not None
    assert urls.service == "http://other"
    assert set(urls.pids) == {"supervisor", "store", "more"}


def test_a_component_of_another_command_is_stopped_before_its_successor_starts(home: Home) -> None:
    first = servant(home, "store")
    up(home, first)
    second = replace(first, environment={"LAB_NEW": "1"})
    change(home, with_parts(second), quiet)
    assert journal(home) == ["start store", "end store", "start store"]
    assert member(home, "store").restarts == 0


def test_a_held_component_is_killed_with_its_children_and_stays_away_until_it_is_released(home: Home) -> None:
    store = servant(home, "store", child=True)
    record = up(home, store, servant(home, "service", "store"))
    killed = [dict(record.processes())["store"].pid, child_of(home, "store")]
    assert hold(home, "store", quiet)
    assert running(killed) == []
    seen = look(home)
    assert not seen.up
    assert {row.name: row.state for row in seen.rows}["store"] == "held"
    assert member(home, "store").last_exit == "killed by SIGKILL"
    assert not hold(home, "store", quiet), "nothing to do a second time"

    # As long as a crash would take to be repaired twice over: the control is the component beside it.
    kill(dict(record.processes())["service"].pid)
    eventually(lambda: member(home, "service").restarts == 1 and member(home, "service").state == "ready")
    assert member(home, "store").state == "held"
    assert journal(home).count("start store") == 1

    (home.lab / "store.child").unlink()
    assert release(home, "store", quiet)
    assert look(home).up
    assert member(home, "store").restarts == 0
    assert journal(home).count("start store") == 2
    assert not release(home, "store", quiet)


def test_a_component_that_needs_a_held_one_can_be_added(home: Home) -> None:
    store = servant(home, "store")
    up(home, store)
    hold(home, "store", quiet)
    change(home, lambda plan: replace(plan, components=(*plan.components, servant(home, "service", "store"))), quiet)
    assert member(home, "service").state == "ready"
    assert member(home, "store").state == "held"


def test_after_changes_nothing_is_left_by_down(home: Home) -> None:
    store = servant(home, "store")
    up(home, store)
    change(home, with_parts(store, servant(home, "more", "store", child=True)), quiet)
    hold(home, "store", quiet)
    record = read_record(home.run)
    assert record is not None
    everything = [*pids(record), child_of(home, "more")]
    assert len(running(everything)) == 4
    assert stop(home, quiet)
    assert running(everything) == []
    assert not home.run.exists()


def test_a_killed_supervisor_takes_added_and_released_components_along(home: Home) -> None:
    """Their children too, which only the guard reaches: it was told of the processes that came later."""
    store = servant(home, "store", child=True)
    up(home, store)
    change(home, with_parts(store, servant(home, "more", child=True)), quiet)
    hold(home, "store", quiet)
    (home.lab / "store.child").unlink()
    release(home, "store", quiet)
    record = read_record(home.run)
    assert record is not None
    everything = [*pids(record), child_of(home, "more"), child_of(home, "store")]
    assert len(running(everything)) == 6
    kill(record.supervisor.pid)
    eventually(lambda: running(everything) == [], within=5, what="all processes have ended")
    eventually(lambda: not home.run.exists(), within=5, what="the run folder is removed")


def test_a_change_that_does_not_come_about_names_what_is_missing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkit.stack.change.SPARE", 2.5)
    store = servant(home, "store")
    up(home, store)
    crash, never = (sys.executable, "-c", "raise SystemExit(3)"), f"tcp://127.0.0.1:{free_port()}"
    broken = Component("broken", crash, probes=(never,), ready_within=0.5, stop_within=0.5)
    with pytest.raises(CannotRun, match=r"not as wanted after 3 s: broken \(.*exit code 3\); next: lab logs broken"):
        change(home, with_parts(store, broken), quiet)
    assert member(home, "store").state == "ready", "the others go on"
    change(home, with_parts(store), quiet)
    assert look(home).up


def test_a_new_component_that_hangs_is_killed_and_tried_again(home: Home) -> None:
    store = servant(home, "store")
    up(home, store)
    flag, slow = home.lab / "tried", servant(home, "slow")
    code = f"""
import pathlib, signal, socket
tried = pathlib.Path({str(flag)!r})
if tried.exists():
    server = socket.create_server(("127.0.0.1", {slow.port}))
tried.touch()
signal.pause()
"""
    change(home, with_parts(store, replace(slow, command=(sys.executable, "-c", code), ready_within=1)), quiet)
    assert member(home, "slow").restarts == 1


def test_a_plan_that_cannot_be_read_changes_nothing(home: Home) -> None:
    record = up(home, servant(home, "store"))
    (home.run / "plan.json").write_text("{")
    os.kill(record.supervisor.pid, signal.SIGUSR1)
    log = home.logs / "supervisor.log"
    eventually(lambda: "plan.json cannot be read, nothing is changed" in log.read_text(), what="the reason in the log")
    assert pids(record) == pids(read_record(home.run) or record)
    assert member(home, "store").state == "ready"


def test_what_is_not_there_cannot_be_killed_or_changed(home: Home) -> None:
    with pytest.raises(CannotRun, match="no stack is up here; next: lab up"):
        hold(home, "store", quiet)
    up(home, servant(home, "store"))
    with pytest.raises(CannotRun, match="no component 'ghost' in this stack; there are: store"):
        hold(home, "ghost", quiet)


def test_the_supervisor_stays_small(home: Home) -> None:
    """Nothing of the command line's libraries is loaded into it: under 30 MB resident."""
    record = up(home, servant(home, "store"))
    assert psutil.Process(record.supervisor.pid).memory_info().rss < 30e6
