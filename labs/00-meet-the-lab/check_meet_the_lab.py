"""Lab 00: the requests of the student's last round, found again in the log and in Prometheus."""

import re
import signal
import subprocess
import time
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from labkit.check.deployment.counters import Counters, grown
from labkit.check.finding import Finding, judged
from labkit.course.results import result
from labkit.course.work import Work
from labkit.errors import CannotRun
from labkit.logs.opening import open_store
from labkit.logs.store import MOST, LogRecord, LogStore
from labkit.prove.prometheus import Prometheus
from labkit.stack.spawn import signal_group

ROUND_ID = re.compile(r"meet-(\d+)-(\d+|wrong)")
ROUTE = 'job="api",route="/predict"'
REQUESTS = f"http_requests_total{{{ROUTE}}}"
FLOWERS = 'predictions_total{job="api",model="iris",outcome=~"computed|cached"}'
LABELS = 'prediction_labels_total{job="api",model="iris"}'
BEFORE_S, AFTER_S = 0.5, 2.8
"""Where a round begins and ends for Prometheus: requests.sh is silent for 3 s on both sides, a scrape takes 1 s."""
EXTRA = 7
SCRIPT_WITHIN = 40.0
SCRAPED_WITHIN = 10.0


@dataclass(frozen=True)
class Round:
    """One run of requests.sh, as the log has it: records by the last part of the id (1, 2 … or wrong)."""

    name: str
    at_replicas: Mapping[str, list[LogRecord]]
    at_edge: Mapping[str, list[LogRecord]]
    start: float
    end: float

    def numbered(self, records: Mapping[str, list[LogRecord]]) -> dict[str, list[LogRecord]]:
        return {part: found for part, found in records.items() if part != "wrong"}


def check_your_last_round_is_complete(work: Work) -> Finding:
    """Each of the student's own number of predictions is in the log once, answered 200."""
    wanted = [str(number) for number in range(1, work.numbers["REQUESTS"] + 1)]
    last = _last_round(work)
    found = last.numbered(last.at_replicas) if last else {}
    twice = sorted(part for part, records in found.items() if len(records) > 1)
    wrong = Counter(str(records[0].status) for records in found.values() if records[0].status != 200)
    seen = f"round {last.name}: {len(found)} ids" if last else _no_round(work)
    seen += f", {len(twice)} of them more than once (meet-…-{twice[0]})" if twice else ""
    seen += f", answered {', '.join(f'{status}: {n}' for status, n in wrong.items())}" if wrong else ""
    seen += f", all answered {_statuses(found)}" if found and not wrong else ""
    return judged(
        sorted(found) == sorted(wanted) and not twice and not wrong,
        expected=f"{len(wanted)} requests with the ids meet-ROUND-1 to meet-ROUND-{len(wanted)}, each once, all 200",
        seen=seen,
        next_step=_run(work) if found else f"write TODO 1 in {work.shown}/requests.sh, then {_run(work)}",
    )


def check_each_request_passed_the_edge_and_one_replica(work: Work) -> Finding:
    """Each numbered request has one record of Traefik and one of the replica that Traefik names."""
    last = _last_round(work)
    behind, edge = (last.numbered(last.at_replicas), last.numbered(last.at_edge)) if last else ({}, {})
    both = [part for part in behind if len(behind[part]) == 1 == len(edge.get(part, ()))]
    pairs = Counter((str(edge[part][0].get("replica_url")), behind[part][0].host) for part in both)
    shares = ", ".join(f"{host} {n}" for (_, host), n in sorted(pairs.items(), key=lambda one: one[0][1]))
    agreed = len({url for url, _ in pairs}) == len(pairs) == len({host for _, host in pairs})
    return judged(
        bool(both) and len(both) == len(behind) == len(edge) and agreed,
        expected="for each id one record of traefik and one of the replica that it passed the request to",
        seen=f"{len(edge)} ids at the edge, {len(behind)} at the replicas ({shares or 'none'})"
        if last
        else _no_round(work),
        next_step=f"lab trace meet-{last.name}-1" if last else _run(work),
    )


def check_the_wrong_request_counts_as_a_client_error(work: Work) -> Finding:
    """The request that is wrong on purpose is in the log with status 422, and Prometheus counted no other 4xx."""
    last = _last_round(work)
    records = last.at_replicas.get("wrong", []) if last else []
    counted = _rise(work, REQUESTS, "status", last) if last else {}
    errors = {status: n for status, n in counted.items() if status.startswith("4")}
    told = ", ".join(f"{n} with status {status}" for status, n in errors.items()) or "none"
    return judged(
        [record.status for record in records] == [422] and errors == {"422": 1},
        expected="one request meet-ROUND-wrong, answered 422, and one request more with a status 4xx in Prometheus",
        seen=f"meet-{last.name}-wrong: {_statuses({'wrong': records})}; counted as 4xx: {told}"
        if last
        else _no_round(work),
        next_step=f"TODO 2 in {work.shown}/requests.sh: JSON that is well-formed, with a text where numbers belong; "
        f"then {_run(work)}",
    )


def check_prometheus_counted_as_many_as_the_log_has(work: Work) -> Finding:
    """From before to after the round, http_requests_total rose by what the log holds, status by status."""
    last = _last_round(work)
    if last is None:
        same = f"the log and http_requests_total agree, by status: 200: {work.numbers['REQUESTS']}, 422: 1"
        return judged(False, expected=same, seen=_no_round(work), next_step=_run(work))
    with _store(work) as store:
        by_status = store.count_by('event:request AND route:"/predict"', last.start, last.end, ("status",))
    logged = {status: n for (status,), n in by_status.items()}
    counted = _rise(work, REQUESTS, "status", last)
    return judged(
        logged == counted and bool(counted),
        expected=f"http_requests_total rises by what the log holds of the same seconds: {_listed(logged)}",
        seen=f"Prometheus counted {_listed(counted)}; the log holds {_listed(logged)}",
        next_step=f"lab status (was something restarted?), then {_run(work)}",
    )


def check_each_flower_is_counted_under_its_label(work: Work) -> Finding:
    """The counters of predictions rose by the flowers of the round, each under the label that was answered."""
    requests, flowers = work.numbers["REQUESTS"], work.numbers["FLOWERS"]
    last = _last_round(work)
    rows = sum(_rise(work, FLOWERS, "", last).values()) if last else 0
    labels = _rise(work, LABELS, "label", last) if last else {}
    wanted = {"setosa": requests, "virginica": requests * (flowers - 1)}
    return judged(
        rows == requests * flowers and labels == wanted,
        expected=f"predictions_total +{requests * flowers} ({requests} requests of {flowers} flowers), "
        f"prediction_labels_total {_listed(wanted)}",
        seen=f"predictions_total +{rows}, prediction_labels_total {_listed(labels)}" if last else _no_round(work),
        next_step=f"leave the service alone meanwhile, and {_run(work)}",
    )


def check_seven_more_requests_move_the_counter_by_seven(work: Work) -> Finding:
    """The student's own script, told to send seven, makes seven more 200 and one more 422."""
    file, name = work.folder / "requests.sh", f"check{int(time.time())}"
    with Counters(work.prometheus, SCRAPED_WITHIN) as counters:
        counters.scraped()
        before = counters.by(REQUESTS, "status")
        ended = _ended(["bash", str(file), str(EXTRA), name])
        counters.scraped()
        rise = {status: n for (status,), n in grown(before, counters.by(REQUESTS, "status")).items()}
    with _store(work) as store:
        records = store.search(f"event:request AND request_id:meet-{name}-*", time.time() - 120, time.time() + 1, MOST)
    ids = Counter(str(record.request_id).removeprefix(f"meet-{name}-") for record in records)
    wanted = {**{str(number): 1 for number in range(1, EXTRA + 1)}, "wrong": 1}
    return judged(
        rise == {"200": EXTRA, "422": 1} and dict(ids) == wanted,
        expected=f"`requests.sh {EXTRA} {name}` moves http_requests_total by 200: {EXTRA}, 422: 1, under as many ids",
        seen=f"it moved by {_listed(rise)}, with {len(ids)} ids meet-{name}-… in the log{ended}",
        next_step=f"bash {work.shown}/requests.sh {EXTRA}: the loop goes to $requests, the ids begin with meet-$round-",
    )


def check_your_answers_are_what_prometheus_counted(work: Work) -> Finding:
    """answers.toml holds a prediction and the four numbers by which the counters rose in the last round."""
    try:
        answers = tomllib.loads(work.text("answers.toml"))
    except tomllib.TOMLDecodeError as error:
        answers, broken = {}, f"answers.toml is no TOML: {error}"
    else:
        broken = ""
    predicted, seen = (part if isinstance(part := answers.get(name), dict) else {} for name in ("predicted", "seen"))
    blank = [f"[predicted] {name}" for name in ("requests", "flowers") if not _is_answer(predicted.get(name))]
    blank += [
        f"[seen] {name}" for name in ("requests", "flowers", "setosa", "virginica") if not _is_answer(seen.get(name))
    ]
    last = None if blank else _last_round(work)
    wrong = [] if last is None else _wrong(seen, _truth(work, last))
    told = broken or (f"still blank: {', '.join(blank)}" if blank else "" if last else _no_round(work))
    told = told or (f"round {last.name if last else ''}: " + ("; ".join(wrong) or _told(predicted, seen)))
    return judged(
        last is not None and not wrong,
        expected="a prediction, and under [seen] by how much each counter rose in your last round "
        f"({work.numbers['REQUESTS']} requests of {work.numbers['FLOWERS']} flowers, and one wrong request)",
        seen=told,
        next_step=f"python {work.shown}/counters.py before and after a round: the difference is the answer",
    )


def _last_round(work: Work) -> Round | None:
    """Return the newest round since the lab was begun, None when there is none."""
    begun = result(work.folder.parent, work.lab).started
    with _store(work) as store:
        records = store.search("request_id:meet-*", begun, time.time() + 1, MOST)
    of = [(found[1], found[2], record) for record in records if (found := ROUND_ID.fullmatch(str(record.request_id)))]
    if not of:
        return None
    name = max(of, key=lambda one: one[2].time)[0]
    at: dict[str, dict[str, list[LogRecord]]] = {"request": {}, "edge": {}}
    times = []
    for group, part, record in of:
        if group == name:
            at.setdefault(record.event, {}).setdefault(part, []).append(record)
            times.append(record.time)
    end = max(times) + AFTER_S
    time.sleep(max(0.0, end - time.time()))  # somebody who checks while the script still waits
    return Round(name, at["request"], at["edge"], min(times) - BEFORE_S, end)


def _rise(work: Work, selector: str, label: str, last: Round) -> dict[str, int]:
    """Return by how much the counters rose from before to after the round, by a label, without zeros."""
    values = []
    with Prometheus(work.prometheus) as prometheus:
        for moment in (last.start, last.end):
            series = prometheus.values(f"last_over_time({selector}[30s])", moment)
            total: Counter[tuple[str, ...]] = Counter()
            for names, value in series:
                total[names.get(label, ""),] += round(value)
            values.append(total)
    return {key: n for (key,), n in grown(dict(values[0]), dict(values[1])).items()}


def _truth(work: Work, last: Round) -> dict[str, int]:
    labels = _rise(work, LABELS, "label", last)
    return {
        "requests": sum(_rise(work, REQUESTS, "status", last).values()),
        "flowers": sum(_rise(work, FLOWERS, "", last).values()),
        "setosa": labels.get("setosa", 0),
        "virginica": labels.get("virginica", 0),
    }


def _wrong(seen: Mapping[str, int], truth: Mapping[str, int]) -> list[str]:
    return [
        f"{name} = {seen[name]} is too {'high' if seen[name] > value else 'low'}"
        for name, value in truth.items()
        if seen[name] != value
    ]


def _told(predicted: Mapping[str, int], seen: Mapping[str, int]) -> str:
    return ", ".join(
        f"{name} +{seen[name]}" + (f" (you had said {predicted[name]})" if name in predicted else "") for name in seen
    )


def _is_answer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _ended(command: list[str]) -> str:
    """Run the student's script to its end; return how it ended when that was not well."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as script:
        try:
            _, said = script.communicate(timeout=SCRIPT_WITHIN)
        except subprocess.TimeoutExpired:
            signal_group(script.pid, signal.SIGKILL)
            return f"; it did not end within {SCRIPT_WITHIN:.0f} s"
    last_line = said.decode(errors="replace").strip().splitlines()[-1:]
    return f"; it ended with code {script.returncode}: {''.join(last_line)}" if script.returncode else ""


def _store(work: Work) -> LogStore:
    if work.urls.logs is None:
        raise CannotRun(f"the stack keeps no logs; next: lab start {work.lab.number}")
    return open_store(work.urls.logs)


def _no_round(work: Work) -> str:
    return f"no request with an id meet-ROUND-… in the log since you began lab {work.lab.number}"


def _run(work: Work) -> str:
    return f"bash {work.shown}/requests.sh"


def _statuses(records: Mapping[str, list[LogRecord]]) -> str:
    return ", ".join(sorted({str(record.status) for one in records.values() for record in one})) or "no record"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {n}" for name, n in sorted(counts.items())) or "nothing"
