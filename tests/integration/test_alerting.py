"""Alerts from end to end: a real stack, real faults, and how long the news takes.

It waits for minutes and needs hardly any CPU, so it runs beside the others: only its own stack is struck. Its tests
follow each other on one stack; the times are bars of the project.
"""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psutil
import pytest

from labkit.alerts.notifications import Notification, read
from tests.eventually import eventually
from tests.integration.stack_folder import StackFolder

pytestmark = pytest.mark.timeout(900)

NEWS_WITHIN_S = 120.0
OVER_WITHIN_S = 420.0
RATE = 20.0
REPLICAS = ("api-1", "api-2")
ROW = {"data": [[5.1, 3.5, 1.4, 0.2]]}


class Watched:
    """A stack under a little load, and what was notified of it."""

    def __init__(self, folder: StackFolder, urls: dict[str, Any]) -> None:
        self.folder, self.urls = folder, urls
        self.client = httpx.Client(trust_env=False, timeout=5.0)
        self.answers: list[int] = []
        self._end = threading.Event()
        self._load = threading.Thread(target=self._drive)

    def __enter__(self) -> "Watched":
        self._load.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._load.join()
        self.client.close()

    def _drive(self) -> None:
        with httpx.Client(trust_env=False, timeout=5.0) as client:
            while not self._end.wait(1 / RATE):
                try:
                    self.answers.append(client.post(f"{self.urls['service']}/predict", json=ROW).status_code)
                except httpx.HTTPError:
                    self.answers.append(0)

    def notifications(self, since: float = 0.0) -> list[Notification]:
        journal = self.folder.home.data / "alerts"
        return [one for one in read(journal) if one.at >= since]

    def seen(self, alert: str, state: str, since: float) -> Notification | None:
        return next((n for n in self.notifications(since) if (n.alert, n.state) == (alert, state)), None)

    def firing(self) -> set[str]:
        """Return the alerts whose last news is that they fire."""
        last = {one.alert: one.state for one in self.notifications()}
        return {alert for alert, state in last.items() if state == "firing"}

    def value(self, query: str) -> float:
        answer = self.client.get(f"{self.urls['prometheus']}/api/v1/query", params={"query": query}).json()
        return float(answer["data"]["result"][0]["value"][1])

    def lab(self, *arguments: str) -> None:
        done = self.folder.lab(*arguments)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = StackFolder(tmp_path_factory.mktemp("alerting"))
    try:
        up = folder.lab("up", "--profile", "core")
        assert up.returncode == 0, up.stderr
        with Watched(folder, json.loads(folder.lab("urls", "--json").stdout)) as found:
            yield found
    finally:
        folder.lab("down")


def test_a_page_silences_the_tickets_of_its_subject_and_no_others(watched: Watched) -> None:
    """Alertmanager's part alone, with alerts that no rule of ours makes."""
    begun = time.time()

    def post(*alerts: tuple[str, str, str], ends: float = 300.0) -> None:
        until = (datetime.now(UTC) + timedelta(seconds=ends)).isoformat()
        made = [
            {"labels": {"alertname": name, "severity": severity, "subject": subject}, "endsAt": until}
            for name, severity, subject in alerts
        ]
        answer = watched.client.post(f"{watched.urls['alertmanager']}/api/v2/alerts", json=made)
        assert answer.status_code == 200, answer.text

    page, ticket = ("TriedPage", "page", "tried"), ("TriedTicket", "ticket", "tried")
    post(page, ticket, ("OtherTicket", "ticket", "other"), ("TriedNote", "none", "tried"))
    eventually(lambda: watched.seen("OtherTicket", "firing", begun), within=60, what="another ticket is told")
    assert watched.seen("TriedPage", "firing", begun), "the page came before it"
    assert not watched.seen("TriedTicket", "firing", begun)
    assert not watched.seen("TriedNote", "firing", begun)
    post(page, ends=0.0)
    eventually(
        lambda: watched.seen("TriedTicket", "firing", begun), within=90, what="the ticket, once the page is over"
    )
    post(ticket, ("OtherTicket", "ticket", "other"), ends=0.0)
    eventually(lambda: not watched.firing(), within=90, what="all is resolved")


def test_a_total_outage_is_told_within_two_minutes_and_over_seven_minutes_after_the_recovery(watched: Watched) -> None:
    eventually(lambda: watched.value("sum_over_time(service:requests:rate15s[5m]) * 5") > 300, within=60)
    assert watched.firing() == set()
    assert set(watched.answers) == {200}, "a stack that starts and a healthy load are no news"
    fault = time.time()
    for name in REPLICAS:
        watched.lab("kill", name)
    for alert in ("ServiceDown", "AvailabilityBurnsFast"):
        eventually(lambda: watched.seen(alert, "firing", fault), within=NEWS_WITHIN_S, what=f"{alert} is told")  # noqa: B023 - asked at once
        found = watched.seen(alert, "firing", fault)
        assert found is not None
        print(f"{alert} told {found.at - fault:.1f} s after the fault")
        assert found.at - fault <= NEWS_WITHIN_S
    assert watched.answers[-1] >= 500
    facts = json.loads(watched.folder.lab("alerts", "--json").stdout)
    told = next(one for one in facts["notifications"] if one["alert"] == "ServiceDown")
    assert "api-" in told["fault"]["text"]
    assert 0 < told["delay_s"] <= NEWS_WITHIN_S
    assert {"ServiceDown", "AvailabilityBurnsFast", "Watchdog"} <= {one["alert"] for one in facts["now"]}

    for name in REPLICAS:
        watched.lab("start", name)
    recovered = time.time()
    eventually(lambda: watched.seen("ServiceDown", "resolved", fault), within=OVER_WITHIN_S, every=1)
    eventually(lambda: not watched.firing(), within=OVER_WITHIN_S, every=1, what="nothing fires any more")
    last = watched.notifications(fault)[-1]
    print(f"the last of it ({last.alert}) over {last.at - recovered:.1f} s after the recovery")
    assert last.at - recovered <= OVER_WITHIN_S
    assert {n.alert for n in watched.notifications(fault)} == {"ServiceDown", "AvailabilityBurnsFast"}, "and no echo"


def test_a_prometheus_that_dies_is_noticed_within_two_minutes(watched: Watched) -> None:
    assert watched.firing() == set()
    fault = time.time()
    watched.lab("kill", "prometheus")
    eventually(lambda: watched.seen("MonitoringSilent", "firing", fault), within=NEWS_WITHIN_S, every=0.5)
    found = watched.seen("MonitoringSilent", "firing", fault)
    assert found is not None
    print(f"noticed {found.at - fault:.1f} s after the kill")
    assert found.at - fault <= NEWS_WITHIN_S
    watched.lab("start", "prometheus")
    eventually(lambda: watched.seen("MonitoringSilent", "resolved", fault), within=NEWS_WITHIN_S, every=0.5)
    assert {one.alert for one in watched.notifications(fault)} == {"MonitoringSilent"}


def test_without_its_rules_nothing_is_told_of_an_outage(watched: Watched) -> None:
    """The control: the outage above, no file of rules; only the dead man's switch notices that nobody watches."""
    for file in (watched.folder.home.run / "prometheus" / "rules").glob("*.yml"):
        file.unlink()
    pid = json.loads(watched.folder.lab("urls", "--json").stdout)["pids"]["prometheus"]
    fault = time.time()
    psutil.Process(pid).send_signal(1)  # SIGHUP: read the configuration again
    for name in REPLICAS:
        watched.lab("kill", name)
    eventually(
        lambda: watched.value("max(max_over_time(up{job='api'}[45s]))") == 0,
        within=90,
        what="replicas seen down for longer than the alert needs",
    )
    eventually(lambda: watched.seen("MonitoringSilent", "firing", fault), within=NEWS_WITHIN_S)
    assert {one.alert for one in watched.notifications(fault)} == {"MonitoringSilent"}
