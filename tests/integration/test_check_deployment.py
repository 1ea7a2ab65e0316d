"""Every check of a deployment passes where its claim holds, and fails where that claim alone does not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labkit.check.deployment.checks import CHECKS
from labkit.check.deployment.subject import Amounts, Deployment
from labkit.check.finding import Finding
from labkit.check.running import chosen, found, run_checks
from labkit.errors import CannotRun
from tests.fake_deployment import KEY, FakeDeployment, fake_deployment

BY_NAME = {check.name: check for check in CHECKS}
SMALL = Amounts(
    balanced=200, canary=300, jobs=2, rate=100.0, light=60.0, before=0.2, load=0.6, patience=1.0
)  # fmt: skip


def subject(fake: FakeDeployment, *, engine: bool = True, key: str | None = KEY, **changes: Any) -> Deployment:
    one = Deployment(fake.urls(), fake if engine else None, key, lambda _: None, **changes)
    one.amounts = SMALL
    return one


def checked(fake: FakeDeployment, *names: str, **changes: Any) -> list[Finding]:
    """Run checks as the command does, with what it does at the end."""
    one = subject(fake, **changes)
    try:
        return run_checks(chosen(CHECKS, names), one)
    finally:
        one.restore()
        one.close()


def state(fake: FakeDeployment) -> tuple[int, set[str], int]:
    replicas = fake.replicas()
    return sum(one.ready for one in replicas), {one.release for one in replicas}, fake.weight


def test_the_amounts_are_those_that_are_promised():
    whole = Amounts()
    assert (whole.balanced, whole.connections, whole.canary) == (2000, 20, 5000)
    assert 50 <= whole.rate <= 100
    assert (whole.load, whole.before, whole.patience) == (10.0, 3.0, 30.0)


def test_all_checks_pass_on_a_deployment_that_keeps_its_promises_and_leave_it_as_it_was(tmp_path):
    with fake_deployment(tmp_path) as fake:
        findings = checked(fake)
        assert {one.name: one.seen for one in findings if one.verdict != "passed"} == {}
        assert [one.name for one in findings] == list(BY_NAME)
        assert state(fake) == (2, {"1"}, 0)
        assert [one.split()[0] for one in fake.done] == [
            "kill", "scale", "update", "rollback", "canary", "canary", "scale", "scale", "scale", "scale",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "wrong", "told"),
    [
        ("routes", "metrics-in-public", "GET /metrics: 200 instead of 404"),
        ("routes", "no-lock", "POST /jobs: 202 instead of 401"),
        ("refusals", "plain-problems", "content type text/plain"),
        ("headers", "no-timing", "Server-Timing missing"),
        ("headers", "id-not-taken", "a request with an id: the answer has X-Request-ID 0"),
        ("counting", "counts-twice", "GET /models 200: 30 counted, 15 sent"),
        ("counting", "counts-no-refusals", "POST /predict 422: 0 counted, 7 sent"),
        ("balance", "one-gets-nothing", "api-2 0: at most 100.0% off"),
        ("job", "no-worker", "'status': 'queued'"),
        ("job", "job-wrong", "predicted at once"),
        ("job", "job-twice", "2 accepted, 4 done"),
        ("log", "log-lost", "no line of request"),
        ("log", "log-wrong", "is logged as ('POST', '/models/{model}/predict', 500"),
        ("log", "no-store", "names no store of logs"),
        ("kill", "no-retry", "x 502"),
        ("kill", "kill-does-nothing", "all 2 processes still run"),
        ("update", "update-drops", "x 502"),
        ("update", "update-leaves-one", "the engine still has ['1'], Prometheus sees ['1', '2']"),
        ("update", "update-breaks-down", "release 2 does not become ready"),
        ("rollback", "update-drops", "x 502"),
        ("canary", "canary-never", "0.0 % of 300 requests"),
        ("canary", "canary-half", "at weight 10"),
        ("canary", "canary-stays", "after its end"),
        ("scale", "scale-stops-at-two", "2 replicas instead of 3"),
        ("scale", "third-gets-nothing", "no request for api-"),
    ],
)
def test_a_check_fails_alone_where_its_claim_does_not_hold(tmp_path, name, wrong, told):
    with fake_deployment(tmp_path, wrong) as fake:
        (finding,) = checked(fake, name)
        assert finding.verdict == "failed", finding
        assert told in finding.seen
        assert finding.next
        if not wrong.startswith(("update", "canary-stays")):  # those cannot be put right by asking for it
            assert state(fake) == (2, {"1"}, 0)


def test_each_wrong_is_seen_by_the_checks_of_its_claim_only(tmp_path):
    """So that a finding leads to its cause: what only asks is not disturbed by it."""
    asking = ("routes", "headers", "counting", "balance", "log")
    for wrong, broken in (("one-gets-nothing", {"balance"}), ("log-lost", {"log"}), ("counts-twice", {"counting"})):
        folder = tmp_path / wrong
        folder.mkdir()
        with fake_deployment(folder, wrong) as fake:
            findings = checked(fake, *asking)
        assert {one.name for one in findings if one.verdict == "failed"} == broken


def test_somebody_else_on_the_service_is_told_from_a_wrong_count(tmp_path, monkeypatch):
    with fake_deployment(tmp_path) as fake:
        one = subject(fake)
        original = one.ask

        def ask(method: str, path: str, **more: Any) -> Any:
            original("GET", "/models/iris")  # the other client
            return original(method, path, **more)

        monkeypatch.setattr(one, "ask", ask)
        finding = found(BY_NAME["counting"], one)
        one.close()
    assert finding.verdict == "failed"
    assert "GET /models/iris 200: 123 counted, 0 sent" in finding.seen
    assert "whoever else" in finding.next


def test_health_checks_are_nobody_else(tmp_path, monkeypatch):
    with fake_deployment(tmp_path) as fake:
        one = subject(fake)
        original = one.ask

        def ask(method: str, path: str, **more: Any) -> Any:
            original("GET", "/readyz")
            return original(method, path, **more)

        monkeypatch.setattr(one, "ask", ask)
        assert found(BY_NAME["counting"], one).verdict == "passed"
        one.close()


def test_an_address_alone_is_asked_and_never_changed(tmp_path):
    with fake_deployment(tmp_path) as fake:
        verdicts = {one.name: one.verdict for one in checked(fake, engine=False)}
        assert fake.done == []
    changing = {"kill", "update", "rollback", "canary", "scale"}
    assert verdicts == {name: "skipped" if name in changing else "passed" for name in BY_NAME}


def test_what_is_not_known_of_an_address_is_skipped_with_the_variable_that_tells_it(tmp_path):
    with fake_deployment(tmp_path, "no-store") as fake:
        told = {one.name: (one.verdict, one.seen) for one in checked(fake, "job", "log", engine=False, key=None)}
    assert told["job"] == ("skipped", "no API key is known of this address; set LAB_API_KEY")
    assert told["log"] == ("skipped", "no store of logs is known of this address; set LAB_LOGS_URL")


@pytest.mark.parametrize(
    ("name", "act", "left"),
    [
        ("update", "update 2", {"2"}),
        ("canary", "canary 10", {"1"}),
        ("scale", "scale 1", {"1"}),
        ("kill", "kill", {"1"}),
    ],
)
def test_an_interrupted_check_leaves_the_deployment_as_it_was(tmp_path, monkeypatch, name, act, left):
    """Ctrl-C right after the deployment was changed."""
    with fake_deployment(tmp_path) as fake:
        one = subject(fake)
        method = act.split()[0]
        original: Callable[..., None] = getattr(fake, method)
        interrupted = []

        def once(*arguments: Any) -> None:
            original(*arguments)
            if not interrupted:
                interrupted.append(state(fake))
                raise KeyboardInterrupt

        monkeypatch.setattr(fake, method, once)
        with pytest.raises(KeyboardInterrupt):
            run_checks(chosen(CHECKS, [name]), one)
        one.restore()
        one.close()
        assert interrupted[0] != (2, {"1"}, 0)
        assert interrupted[0][1] == left
        assert state(fake) == (2, {"1"}, 0)


def test_replicas_of_two_releases_are_not_a_beginning(tmp_path):
    with fake_deployment(tmp_path) as fake:
        fake.processes[0].release = "0"
        (finding,) = checked(fake, "update")
    assert finding.verdict == "failed"
    assert "release 0, 1" in finding.seen


def test_the_release_that_runs_already_is_no_update(tmp_path):
    with fake_deployment(tmp_path) as fake:
        (finding,) = checked(fake, "update", release="1")
        assert fake.done == []
    assert (finding.seen, finding.next) == ("release 1 runs already", "--release NAME of another one")


def test_one_replica_is_not_killed_alone(tmp_path):
    """The service would be gone; a second one is started first, and is gone afterwards."""
    with fake_deployment(tmp_path, replicas=1) as fake:
        (finding,) = checked(fake, "kill")
        assert finding.verdict == "passed"
        assert [one.split()[0] for one in fake.done] == ["scale", "kill", "scale"]
        assert state(fake)[0] == 1


def test_a_check_that_breaks_off_costs_none_of_the_others(tmp_path, monkeypatch):
    def broken(*_: Any) -> None:
        raise KeyError("x")

    with fake_deployment(tmp_path) as fake:
        monkeypatch.setattr(fake, "kill", broken)
        first, second, third = checked(fake, "log", "kill", "canary")
    assert (first.verdict, second.verdict, third.verdict) == ("passed", "failed", "passed")
    assert second.seen == "the check broke off: KeyError: 'x'"
    assert "in broken" in second.figures["traceback"]


def test_an_unknown_check_is_told_the_known_ones():
    with pytest.raises(CannotRun, match="no check tea; there are: routes, refusals"):
        chosen(CHECKS, ["tea"])


def test_the_figures_are_for_machines(tmp_path: Path):
    with fake_deployment(tmp_path) as fake:
        findings = checked(fake, "balance", "kill")
    facts = json.loads(json.dumps([one.to_dict() for one in findings]))
    assert facts[0]["figures"]["replicas"] == {"api-1": 100, "api-2": 100}
    assert facts[1]["figures"]["failed"] == 0
    assert facts[1]["figures"]["sent"] > 0
