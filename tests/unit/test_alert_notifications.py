"""Notifications are read, kept once each, bounded; the dead man's switch tells of silence once; delays from marks."""

import json
from pathlib import Path
from typing import Any

import pytest

from labkit.alerts.history import told
from labkit.alerts.notifications import FILE, OLDER, Journal, Notification, Unreadable, parsed, read
from labkit.alerts.switch import HEARTBEAT, SILENT, Limits, Switch
from labkit.home import Home
from labkit.marks import add_mark


def alert(name: str = "ServiceDown", status: str = "firing", starts: str = "2026-11-21T10:00:00.123456789Z") -> Any:
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "page", "job": "api"},
        "annotations": {"summary": "gone", "description": "all of it", "runbook_url": f"monitoring/runbooks/{name}.md"},
        "startsAt": starts,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": f"f-{name}",
    }


def body(*alerts: Any) -> bytes:
    return json.dumps({"version": "4", "status": "firing", "alerts": list(alerts)}).encode()


def one(name: str = "ServiceDown", status: str = "firing", at: float = 100.0, starts: float = 90.0) -> Notification:
    return parsed(body(alert(name, status)), at)[0]._replace(starts=starts)


def test_a_notification_is_read() -> None:
    (found,) = parsed(body(alert()), 12.5)
    assert found.at == 12.5
    assert found.starts == pytest.approx(1795255200.123456)
    assert (found.alert, found.state, found.severity, found.summary) == ("ServiceDown", "firing", "page", "gone")
    assert found.labels["job"] == "api"


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"7",
        b'{"alerts": 7}',
        b'{"alerts": [7]}',
        b'{"alerts": [{"labels": {}}]}',
        body(alert() | {"status": "perhaps"}),
        body(alert() | {"startsAt": "yesterday"}),
        body(alert() | {"startsAt": None}),
        body(alert() | {"labels": {"alertname": 7}}),
        b'{"alerts": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_notification_is_refused(garbage: bytes) -> None:
    with pytest.raises(Unreadable):
        parsed(garbage, 0.0)


def test_a_state_is_written_once_however_often_it_is_repeated(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert [journal.add(one(at=at)) for at in (1.0, 2.0, 3.0)] == [True, False, False]
    assert journal.add(one(status="resolved", at=4.0))
    assert journal.add(one(at=5.0, starts=95.0)), "it fires again"
    assert [(seen.at, seen.state) for seen in read(tmp_path)] == [(1.0, "firing"), (4.0, "resolved"), (5.0, "firing")]


def test_a_repetition_is_known_after_a_restart(tmp_path: Path) -> None:
    Journal(tmp_path).add(one())
    assert Journal(tmp_path).add(one(at=200.0)) is False


def test_the_file_is_bounded_and_the_newest_stay(tmp_path: Path) -> None:
    journal = Journal(tmp_path, most_bytes=4000)
    for number in range(100):
        journal.add(one(at=float(number), starts=float(number)))
    assert (tmp_path / FILE).stat().st_size <= 4000
    assert (tmp_path / OLDER).stat().st_size <= 4000
    kept = [seen.at for seen in read(tmp_path)]
    assert kept == sorted(kept)
    assert kept[-1] == 99.0


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    Journal(tmp_path).add(one())
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"at": 1, "al')
    assert len(list(read(tmp_path))) == 1


def heartbeat(status: str = "firing") -> Notification:
    return one(HEARTBEAT, status)


def test_silence_is_told_once_and_so_is_its_end() -> None:
    switch = Switch(Limits(silence=60, grace=180), clock=0.0)
    switch.hear(heartbeat(), 20.0)
    assert switch.ask(79.0, 1079.0) is None
    told_of = switch.ask(80.0, 1080.0)
    assert told_of is not None
    assert (told_of.alert, told_of.state, told_of.starts) == (SILENT, "firing", 1080.0)
    assert switch.ask(500.0, 1500.0) is None
    switch.hear(heartbeat(), 510.0)
    back = switch.ask(511.0, 1511.0)
    assert back is not None
    assert (back.state, back.starts, back.fingerprint) == ("resolved", 1080.0, told_of.fingerprint)
    assert switch.ask(512.0, 1512.0) is None


def test_heartbeats_that_come_keep_it_quiet() -> None:
    switch = Switch(Limits(silence=60, grace=180), clock=0.0)
    for clock in range(0, 3600, 30):
        switch.hear(heartbeat(), float(clock))
        assert switch.ask(clock + 29.0, 0.0) is None


def test_the_first_heartbeat_has_more_time() -> None:
    switch = Switch(Limits(silence=60, grace=180), clock=0.0)
    assert switch.ask(179.0, 0.0) is None
    assert switch.ask(180.0, 0.0) is not None


def test_a_resolved_heartbeat_is_silence_at_once_and_none_before_the_first() -> None:
    switch = Switch(Limits(silence=60, grace=180), clock=0.0)
    switch.hear(heartbeat("resolved"), 5.0)
    assert switch.ask(6.0, 0.0) is None, "that of the life before"
    switch.hear(heartbeat(), 10.0)
    switch.hear(heartbeat("resolved"), 20.0)
    assert switch.ask(20.0, 0.0) is not None


def test_what_could_not_be_written_is_told_again() -> None:
    switch = Switch(Limits(silence=60, grace=180), clock=0.0)
    first = switch.ask(200.0, 1200.0)
    assert first is not None
    switch.take_back(first)
    assert switch.ask(201.0, 1201.0) is not None
    switch.hear(heartbeat(), 202.0)
    back = switch.ask(203.0, 1203.0)
    assert back is not None
    switch.take_back(back)
    assert switch.ask(204.0, 1204.0) is not None


def test_the_delay_is_counted_from_the_nearest_fault_before_the_start(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / ".lab")
    for at, kind in ((1000.0, "fault"), (1020.0, "fault"), (1030.0, "change"), (1055.0, "fault")):
        add_mark(home, kind, f"{kind} at {at:.0f}", at=at)  # type: ignore[arg-type]
    journal = Journal(tmp_path)
    journal.add(one(at=1060.0, starts=1050.0))
    journal.add(one(status="resolved", at=1200.0, starts=1050.0))
    journal.add(one("Other", at=3000.0, starts=2999.0))
    fired, over, other = told(home, tmp_path, since=0.0)
    assert fired.delay == pytest.approx(40.0)
    assert fired.fault is not None
    assert fired.fault.text == "fault at 1020"
    assert over.delay is None
    assert other.delay is None, "a fault half an hour ago is not its cause"
    assert told(home, tmp_path, since=2000.0) == [other]
