"""Lab 05: the locustfile against a true and a lying server, the runs it was used for, the gate, the answers."""

import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from labkit.check.finding import Finding, judged
from labkit.course.evidence.locust_runs import Counted, LocustRun, begin_trial, end_trial, read_locust_run
from labkit.course.evidence.lying_server import lying_server
from labkit.course.evidence.scenario_runs import offered, p99, runs_of, verdict_by
from labkit.course.evidence.shell_answers import shell_answers
from labkit.course.work import Work
from labkit.errors import CannotRun
from labkit.loadgen.counters import scrape_all
from labkit.loadgen.slo import Objectives, read_objectives
from labkit.prove.prometheus import Prometheus
from labkit.report.run_folder import Run
from labkit.report.verdict import validity
from labkit.stack.freezing import frozen_between

ROUTES = {"GET": "/", "POST": "/predict"}
SHARE = 0.25  # of the requests are looks at the page: one for three predictions
ANSWERS = ("USERS", "PREDICTED_P99", "DUE", "STUCK", "CORRECTED_P99")
TRIAL_S, TRIAL_USERS = 20, 16
ENOUGH, ENOUGH_LIES = 800, 60
"""Requests that end the trials, TRIAL_S after their start at the latest."""
LIES = {  # each with the status 200
    "GET": (b"", b'{"result":[0]}', b"<html><title>Maintenance</title></html>"),
    "POST": (b'{"result":[2]}', b'{"result":[]}', b"<html>Sorry!</html>", b"{}", b'{"result":["setosa"]}'),
}


@dataclass(frozen=True)
class Trials:
    """What locust counted at the service and at a liar, or why nothing; what these servers have counted themselves."""

    true: Counted | str
    lied: Counted | str
    answers: Counter[str]
    lies: Counter[str]


@pytest.fixture(scope="module")
def trials(work: Work) -> Trials:
    """Run the student's locustfile against both servers at once."""
    file = work.folder / "locustfile.py"
    with lying_server(LIES) as (liar, lies), tempfile.TemporaryDirectory() as folder:
        before, prefixes = answered(work), (Path(folder) / "true", Path(folder) / "lied")
        urls = (work.urls.replicas[0], liar)
        begun = [begin_trial(file, url, prefix, TRIAL_USERS, 60) for url, prefix in zip(urls, prefixes, strict=True)]
        true = ended(begun[0], prefixes[0], lambda: (answered(work) - before).total() >= ENOUGH)
        lied = ended(begun[1], prefixes[1], lambda: lies.total() >= ENOUGH_LIES)
        return Trials(true, lied, answered(work) - before, Counter(lies))


def check_the_locustfile_asks_for_both_with_the_weights_given(work: Work, trials: Trials) -> Finding:
    """On the live service for some seconds: its own counters show one look at the page for three predictions."""
    run, (index, predict) = trials.true, (trials.answers[method] for method in ROUTES)
    failed = 0 if isinstance(run, str) else run.all_failed
    share = index / max(index + predict, 1)
    seen = f"the service counted {index} × GET / and {predict} × POST /predict ({share:.0%} the page); "
    return judged(
        not isinstance(run, str) and index + predict >= 100 and abs(share - SHARE) < 0.07 and not failed,
        expected="over 100 requests, 25 % of them GET / (± 7 %: weights 1 and 3), 75 % POST /predict, none failed",
        seen=run if isinstance(run, str) else seen + f"locust sent {run.all_sent}, {failed} of them failed",
        next_step=f"TODO 1 to 3; see for yourself: locust -f {work.shown}/locustfile.py --headless -u 2 -t 3s "
        f"--only-summary --host {work.urls.replicas[0]}",
    )


def check_a_wrong_answer_is_a_failure(work: Work, trials: Trials) -> Finding:
    """A server of the check answers nonsense with status 200; locust must count each such answer as failed."""
    run, told, wrong = trials.lied, [], False
    if not isinstance(run, str):
        for method, route in ROUTES.items():
            given, sent, failed = (of.get(method, 0) for of in (trials.lies, run.sent, run.failed))
            lost = given - sent if given - sent > TRIAL_USERS else 0
            wrong |= not given or failed < sent or lost > 0
            told.append(f"{method} {route}: {given} wrong answers, {failed} failed, {sent - failed} taken for good")
            told += [f"{lost} counted nowhere, as after an exception"] if lost else []
    return judged(
        not isinstance(run, str) and not wrong,
        expected="an empty page, [2] for a setosa, a text instead of JSON …, all with status 200: each one a failure",
        seen=run if isinstance(run, str) else "; ".join(told),
        next_step=f"{work.shown}/locustfile.py: catch_response=True, answer.failure(…) unless the content is right; "
        "answer.json() raises ValueError when there is no JSON",
    )


def check_the_closed_run_had_your_rate(work: Work) -> Finding:
    """closed-healthy: locust sent the student's rate in the right shares, and Prometheus counted as many."""
    rate, run, seen, counted = work.numbers["RATE"], closed_run(work, "closed-healthy"), "", 0.0
    if not isinstance(run, str):
        counted, frozen = counted_during(work, run), frozen_in(work, run)
        share, length = run.sent.get("GET", 0) / run.all_sent, run.end - run.start
        seen = (
            f"{run.users} users for {length:.0f} s, {run.rate:.1f} requests/s, {share:.0%} GET /, {run.all_failed} "
            f"failed, frozen for {frozen:g} s; sent inside it {run.inner[2]}, counted by Prometheus {counted:.0f}"
        )
    return judged(
        not isinstance(run, str)
        and (abs(run.rate / rate - 1) < 0.2 and abs(share - SHARE) < 0.045 and length > 20)
        and (not run.all_failed and not frozen and abs(counted / max(run.inner[2], 1) - 1) < 0.1),
        expected=f"30 s at {rate} requests/s (± 20 %), 25 % of them GET / (± 4.5 %), none failed, nothing frozen; "
        "Prometheus counted as many (± 10 %)",
        seen=run if isinstance(run, str) else seen,
        next_step=f"USERS in {work.shown}/answers.env (Little's law: rate × 0.1 s), then the text's locust command",
    )


def check_the_closed_run_hides_the_freeze(work: Work) -> Finding:
    """closed-frozen: a request took seconds, yet the p99 is a small part of that."""
    run = closed_run(work, "closed-frozen")
    frozen = 0.0 if isinstance(run, str) else frozen_in(work, run)
    return judged(
        not isinstance(run, str)
        and (2 <= frozen <= 5 and run.longest > 900 * frozen and run.p99 < run.longest / 5)
        and abs(run.users * 10 / work.numbers["RATE"] - 1) < 0.15,
        expected=f"frozen for 3 s in the middle, the slowest request about 3000 ms, the p99 below a fifth of that; "
        f"as many users as send {work.numbers['RATE']} requests/s",
        seen=run
        if isinstance(run, str)
        else f"{run.users} users, frozen for {frozen:g} s, slowest request {run.longest:.0f} ms, p99 {run.p99:.0f} ms",
        next_step="lab freeze api-1 --seconds 3 --after 20 & and, at once, the locust command of the text",
    )


def check_the_open_run_had_your_rate_and_your_mix(work: Work) -> Finding:
    """The newest healthy run of open.toml: on schedule at the student's rate, the same traffic as the closed one."""
    rate, (run, _) = work.numbers["RATE"], newest_runs(work)
    good, seen = False, no_run("healthy")
    if run is not None:
        sent, failed = (sum(getattr(entry, what) for entry in run.entries) for what in ("sent", "failed"))
        share = sum(entry.sent for entry in run.entries if entry.name == "/") / max(sent, 1)
        others = sorted({f"{entry.method} {entry.name}" for entry in run.entries if entry.name not in ROUTES.values()})
        good = run.facts.mode == "scheduled" and abs(offered(run) / rate - 1) < 0.02 and abs(share - SHARE) < 0.05
        good &= not others and not failed and validity(run).valid and run.schedule_s >= 20
        seen = (
            f"{run.facts.id}: {run.facts.mode}, {offered(run):.1f} requests/s offered for {run.schedule_s:.0f} s, "
            f"{share:.0%} GET /, {failed} of {sent} failed"
        )
        seen += f"; also {', '.join(others[:3])}" if others else ""
        seen += "".join(f"; not valid: {reason}" for reason in validity(run).reasons)
    return judged(
        good,
        expected=f"mode scheduled, {rate} requests/s offered for 30 s, 25 % of them GET / (± 5 %), the others "
        "POST /predict, none failed, the run valid",
        seen=seen,
        next_step=f"{work.shown}/open.toml, then: lab load {work.shown}/open.toml --rate {rate} "
        f"--url {work.urls.replicas[0]}",
    )


def check_the_open_run_shows_the_freeze(work: Work) -> Finding:
    """The newest frozen run of open.toml: the naive p99 saw nothing, the corrected one shows the seconds."""
    rate, (_, run) = work.numbers["RATE"], newest_runs(work)
    good, least, seen = False, 2000.0, no_run("frozen")
    if run is not None:
        seconds, naive, corrected = frozen_in(work, run), p99(run, naive=True), p99(run)
        # The requests that were due in the first moments of the freeze waited longest; 1 % of the run is slower.
        least = 1000 * (seconds - 0.01 * run.schedule_s) - 500
        good = 2 <= seconds <= 5 and corrected > least and naive < corrected / 5 and abs(offered(run) / rate - 1) < 0.02
        seen = (
            f"{run.facts.id}: {offered(run):.1f} requests/s offered, frozen for {seconds:g} s; "
            f"p99 naive {naive:.0f} ms, corrected {corrected:.0f} ms"
        )
    return judged(
        good,
        expected=f"{rate} requests/s offered, frozen for 3 s; the corrected p99 over {least:.0f} ms, "
        "the naive one below a fifth of it",
        seen=seen,
        next_step="lab freeze api-1 --seconds 3 --after 20 & and, at once, the lab load command of the text",
    )


def check_the_gate_tells_bad_runs_from_good_ones(work: Work) -> Finding:
    """By slo.toml as it is now, and as it was then: healthy good (exit code 0), frozen and wrong answers breached."""
    (healthy, frozen), objectives = newest_runs(work), gate(work)
    missing = objectives if isinstance(objectives, str) else no_run("healthy" if healthy is None else "frozen")
    verdicts: dict[str, tuple[str, str]] = {}
    if not isinstance(objectives, str) and healthy is not None and frozen is not None:
        wrong = [msgspec.structs.replace(one, failed=round(one.sent * 0.05)) for one in healthy.entries]
        failing = msgspec.structs.replace(healthy, entries=tuple(wrong))
        verdicts = {
            "healthy run then": (verdict_by(then(healthy), healthy), "good"),
            "frozen run then": (verdict_by(then(frozen), frozen), "breached"),
            "healthy run by slo.toml now": (verdict_by(objectives, healthy), "good"),
            "frozen run by slo.toml now": (verdict_by(objectives, frozen), "breached"),
            "healthy run, had 5 % of its answers been wrong": (verdict_by(objectives, failing), "breached"),
        }
    return judged(
        bool(verdicts) and all(is_so == wanted for is_so, wanted in verdicts.values()),
        expected="healthy run: good, exit code 0; frozen run: breached, exit code 1; 5 % wrong answers: breached",
        seen="; ".join(f"{name}: {is_so}" for name, (is_so, _) in verdicts.items()) or missing,
        next_step=f"{work.shown}/slo.toml: TODO 1 and 2 for the frozen run, TODO 3 for wrong answers "
        "(loadtests/slo.toml has examples); then run what was judged wrongly once more",
    )


def check_your_answers_fit_your_runs(work: Work) -> Finding:
    """answers.env: the users, what was due while frozen, what the closed run caught of it, the corrected p99."""
    found, closed, (_, run) = (
        shell_answers(work.folder / "answers.env", ANSWERS),
        closed_run(work, "closed-frozen"),
        newest_runs(work),
    )
    blank = [name for name in ANSWERS if name not in found]
    truth: dict[str, tuple[float, float]] = {}
    if isinstance(closed, LocustRun) and run is not None:
        due = offered(run) * frozen_in(work, run)
        truth = {"USERS": (closed.users, 0.0), "DUE": (due, 0.05), "STUCK": (closed.users, 0.0)}
        truth["CORRECTED_P99"] = (p99(run), 0.1)
    missing = (
        f"no number yet for {', '.join(blank)}" if blank else closed if isinstance(closed, str) else no_run("frozen")
    )
    told = []
    for name, (value, within) in truth.items():
        given = found.get(name, 0.0)
        right = abs(given - value) <= within * value
        told.append(f"{name}={given:g} ({'right' if right else 'too small' if given < value else 'too large'})")
    return judged(
        bool(truth) and not blank and all(text.endswith("(right)") for text in told),
        expected="a number for each name; USERS and STUCK of your closed run exactly, DUE within 5 % and CORRECTED_P99 "
        "within 10 % of your frozen open run",
        seen=missing if blank or not truth else f"{', '.join(told)}; you predicted {found['PREDICTED_P99']:g} ms",
        next_step=f"{work.shown}/answers.env; lab report last prints both p99, and lab hint {work.lab.number} helps",
    )


def ended(process: "subprocess.Popen[bytes]", prefix: Path, enough: Callable[[], bool]) -> Counted | str:
    try:
        return end_trial(process, prefix, enough, TRIAL_S)
    except CannotRun as error:
        return str(error).partition("; next: ")[0]


def answered(work: Work) -> Counter[str]:
    """Return how many requests of each of the two kinds the replicas have answered, by their own counters."""
    found: Counter[str] = Counter()
    for scrape in scrape_all(work.urls.metrics).values():
        for sample in scrape.samples:
            labels = sample["labels"]
            if sample["name"] == "http_requests_total" and ROUTES.get(labels["method"]) == labels["route"]:
                found[labels["method"]] += round(sample["value"])
    return found


def counted_during(work: Work, run: LocustRun) -> float:
    """Return how many of the two kinds Prometheus has counted between the two moments inside a run."""
    counter, (first, last, _) = 'sum(http_requests_total{job="api",route=~"/|/predict"} @ %d)', run.inner
    with Prometheus(work.prometheus) as source:
        found = source.values(f"{counter % last} - {counter % first}")
    return found[0][1] if found else 0.0


def closed_run(work: Work, name: str) -> LocustRun | str:
    """Return a run of plain locust by the name of its CSV files, or why there is none."""
    try:
        return read_locust_run(work.folder / name)
    except CannotRun as error:
        return str(error).partition("; next: ")[0]


def newest_runs(work: Work) -> tuple[Run | None, Run | None]:
    """Return the newest healthy and the newest frozen run of open.toml."""
    found = dict[bool, Run]()
    for run in runs_of(work, "open"):
        found.setdefault(frozen_in(work, run) > 0, run)
        if len(found) == 2:
            break
    return found.get(False), found.get(True)


def no_run(kind: str) -> str:
    return f"no {kind} run of open.toml since the lab was begun"


def frozen_in(work: Work, run: Run | LocustRun) -> float:
    """Return for how many seconds `lab freeze` stopped the replica during a run."""
    start, end = (run.start, run.end) if isinstance(run, LocustRun) else (run.facts.started, run.facts.ended)
    return frozen_between(work.home, "api-1", start, end)


def gate(work: Work) -> Objectives | str:
    """Return slo.toml, or what is wrong with it."""
    try:
        return read_objectives(work.folder / "slo.toml")
    except CannotRun as error:
        return str(error)


def then(run: Run) -> Objectives:
    return msgspec.convert(run.facts.slo, Objectives)
