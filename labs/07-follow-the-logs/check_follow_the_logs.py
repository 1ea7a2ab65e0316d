"""Lab 07: is every request of the shop found again by its id, and is it known what was lost and what went wrong?"""

import json
import re
import secrets
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from labkit.check.finding import Finding, judged
from labkit.course.evidence.rule_tests import failure, with_threshold
from labkit.course.work import Work
from labkit.errors import CannotRun
from labkit.logs.opening import open_store
from labkit.logs.store import MOST, LogRecord, LogStore
from labkit.prove.prometheus import Prometheus

SHOP = 370  # its port
GOOD = 5
FLOWER, NO_FLOWER = b'{"data": [[5.1,3.5,1.4,0.2]]}', b'{"data": "red"}'
OPINION = b'{"model": "sentiment", "data": ["Muy bueno"]}'
WITHIN = 6.0  # seconds until a record must be in the store
LATE = 1e11  # epoch seconds: later than any record
FOUR = {"shop": "the shop", "edge": "Traefik", "request": "the api", "job": "the worker"}
ALERT = "TooManyErrors"
MOVED = (6, 14)
"""Thresholds that the student's test must not let pass."""
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True)
class Asked:
    """A request to the shop and its answer; `sent_id` is the X-Request-ID that was sent, None for none."""

    what: str
    sent_id: str | None
    status: int
    answered_id: str
    took_us: float

    @property
    def ident(self) -> str:
        return self.answered_id or self.sent_id or ""


@dataclass
class Probe:
    """What was asked of the shop just now, and the records that all services have of it."""

    wrong: str = ""
    """Why nothing could be asked, "" when it could."""
    asked: list[Asked] = field(default_factory=list)
    records: list[LogRecord] = field(default_factory=list)

    def of_shop(self, ident: str) -> list[LogRecord]:
        return [one for one in self.records if one.event == "shop" and one.request_id == ident]


@pytest.fixture(scope="module")
def probe(work: Work) -> Probe:
    """Ask the shop for this and that, then wait for the records."""
    mark = f"check-{secrets.token_hex(6)}"
    kinds: list[tuple[str, str, bytes, str | None]] = [
        ("POST", "/flowers", FLOWER, f"{mark}-{number}") for number in range(GOOD)
    ]
    kinds += [
        ("POST", "/flowers", NO_FLOWER, f"{mark}-bad"),
        ("GET", f"/{mark}", b"", f"{mark}-lost"),
        ("POST", "/opinions", OPINION, f"{mark}-job"),
        ("POST", "/flowers", FLOWER, None),
        ("POST", "/flowers", FLOWER, f'{mark} "forged": 1'),
    ]
    result = Probe()
    url = f"http://127.0.0.1:{work.port(SHOP)}"
    begun = time.time()
    try:
        with httpx.Client(base_url=url, timeout=5.0, trust_env=False) as client:
            for method, path, body, ident in kinds:
                result.asked.append(_ask(client, method, path, body, ident))
    except httpx.HTTPError as error:
        result.wrong = f"no answer from the shop at {url} ({type(error).__name__})"
        return result
    ids = [one.ident for one in result.asked]
    with _store(work) as store:
        result.records = _records(store, [ident for ident in ids if WELL_FORMED.fullmatch(ident)], begun)
    return result


def _ask(client: httpx.Client, method: str, path: str, body: bytes, ident: str | None) -> Asked:
    begun = time.perf_counter()
    answer = client.request(method, path, content=body, headers={"X-Request-ID": ident} if ident else {})
    took = (time.perf_counter() - begun) * 1e6
    return Asked(f"{method} {path}", ident, answer.status_code, answer.headers.get("x-request-id", ""), took)


def _store(work: Work) -> LogStore:
    if not work.urls.logs:
        raise CannotRun("this stack keeps no logs; next: lab down, then lab start 07")
    return open_store(work.urls.logs)


def _records(store: LogStore, ids: list[str], since: float) -> list[LogRecord]:
    """Return all records of these ids once no more come; the job's is the last."""
    query = " OR ".join(f'request_id:"{ident}"' for ident in dict.fromkeys(ids)) or 'request_id:"none"'
    deadline, found = time.monotonic() + WITHIN, [LogRecord(0, "", 0, "", "")]
    while True:
        before, found = found, store.search(query, since - 5, LATE, MOST)
        come = {one.event for one in found} >= set(FOUR) and len(found) == len(before)
        if come or time.monotonic() > deadline:
            return found
        time.sleep(0.7)


def _told(probe: Probe, work: Work, expected: str) -> Finding:
    """Return the finding for a shop that does not answer."""
    return judged(
        False,
        expected=expected,
        seen=probe.wrong,
        next_step=f"lab serve 07, then cat {work.shown}/logs/shop.log",
    )


def check_every_request_leaves_one_record(work: Work, probe: Probe) -> Finding:
    """Each request to the shop is one record of event shop in the store: none missing, none twice."""
    asked = [one for one in probe.asked if one.sent_id and WELL_FORMED.fullmatch(one.sent_id)]
    expected = f"{len(asked) or GOOD + 3} requests sent just now, one record of event shop and host shop each"
    if probe.wrong:
        return _told(probe, work, expected)
    counts = {one.sent_id: len(probe.of_shop(one.sent_id or "")) for one in asked}
    hosts = sorted({record.host for record in probe.records if record.event == "shop"})
    return judged(
        all(count == 1 for count in counts.values()) and hosts == ["shop"],
        expected=expected,
        seen=f"{len(asked)} requests, {sum(counts.values())} records, of host {', '.join(hosts) or 'nobody'}",
        next_step=f"request_log.py TODO 1 to 3, shop.py TODO 4; lab serve 07; cat {work.shown}/logs/shop.log",
    )


def check_a_request_keeps_its_id(work: Work, probe: Probe) -> Finding:
    """An id from outside is taken over when it is well-formed, otherwise made anew; the answer says which it is."""
    expected = "every answer has X-Request-ID: the id sent, or a new one when there was none or it was ill-formed"
    if probe.wrong:
        return _told(probe, work, expected)
    wrong = []
    for one in probe.asked:
        taken_over = bool(one.sent_id and WELL_FORMED.fullmatch(one.sent_id))
        if not one.answered_id:
            wrong.append(f"{one.what} with id {one.sent_id!r} was answered without X-Request-ID")
        elif taken_over and one.answered_id != one.sent_id:
            wrong.append(f"id {one.sent_id!r} came back as {one.answered_id!r}")
        elif not taken_over and not (WELL_FORMED.fullmatch(one.answered_id) and probe.of_shop(one.answered_id)):
            wrong.append(f"id {one.sent_id!r} led to {one.answered_id!r}, which no record has")
    made = {one.answered_id for one in probe.asked if one.sent_id is None or not WELL_FORMED.fullmatch(one.sent_id)}
    if not wrong and len(made) != 2:
        wrong.append(f"two requests without a usable id got the same one: {', '.join(made)}")
    return judged(
        not wrong,
        expected=expected,
        seen=wrong[0] if wrong else f"{len(probe.asked) - 2} ids kept, 2 made anew: {', '.join(sorted(made))}",
        next_step="shop.py TODO 1 and 3; curl -si -H 'X-Request-ID: mine' the shop, and look for the header",
    )


def check_fields_are_there_and_numbers_are_numbers(work: Work, probe: Probe) -> Finding:
    """A record says method, path, status, duration and how loud it is, each in its own field and of its own kind."""
    expected = "method and path as sent, status as answered, duration_us a whole number, level 6, 4 from status 400 on"
    if probe.wrong:
        return _told(probe, work, expected)
    pairs = [(one, record) for one in probe.asked for record in probe.of_shop(one.ident)]
    odd = [f"{one.what}, answered with {one.status}: {told}" for one, record in pairs if (told := _odd(one, record))]
    statuses = ", ".join(str(status) for status in sorted({one.status for one, _ in pairs}))
    seen = f"all of that in {len(pairs)} records, of status {statuses}" if pairs else "no record of event shop"
    return judged(
        bool(pairs) and not odd,
        expected=expected,
        seen=odd[0] if odd else seen,
        next_step="shop.py TODO 2 and 4; lab search 'event:shop' --last 5m --json shows the fields",
    )


def _odd(asked: Asked, record: LogRecord) -> str:
    """Return the first thing about a record that is not as it was asked, "" when all is."""
    level = 6 if asked.status < 400 else 4 if asked.status < 500 else 3
    if f"{record.method} {record.path}" != asked.what:
        return f"method and path are {record.method!r} and {record.path!r}"
    if record.status != asked.status:
        as_text = " (a text, not a number?)" if "status" in record.fields else ""
        return f"the field status is {record.fields.get('status', record.status)!r}{as_text}"
    if record.duration_us is None or not 0 < record.duration_us <= asked.took_us:
        return f"duration_us is {record.get('duration_us')!r}; the client waited {asked.took_us:,.0f} us"
    if record.level != level:
        return f"level is {record.level}, not {level}"
    return ""


STUCK = """
import json, logging, os, sys, time
sys.path.insert(0, os.getcwd())
import graypy
from logging.handlers import QueueHandler
out, sent = os.dup(1), []
os.dup2(2, 1)
def stuck(self, data):
    time.sleep(0.1)
    sent.append(data)
graypy.GELFUDPHandler.send = stuck
from request_log import open_log
log = open_log("udp://127.0.0.1:9", "shop")
begun = time.perf_counter()
for number in range(10):
    log.info("record %d", number)
took = time.perf_counter() - begun
deadline = time.monotonic() + 2.5
while len(sent) < 10 and time.monotonic() < deadline:
    time.sleep(0.02)
queues = [one.queue.maxsize for one in log.handlers if isinstance(one, QueueHandler)]
os.write(out, json.dumps({"took": took, "sent": len(sent), "most": queues}).encode())
os._exit(0)
"""


def check_a_slow_log_holds_up_no_request(work: Work) -> Finding:
    """A record is handed over at once, however long it takes to send it, and what waits is bounded."""
    expected = "ten records logged within 300 ms though each takes 100 ms to send; all sent; a queue with a bound"
    facts, why = _tried(work)
    seen = why
    good = False
    if facts:
        took, sent, queues = facts["took"], facts["sent"], facts["most"]
        bounds = [f"a queue of {most:,}" if most else "a queue without a bound" for most in queues] or ["no queue"]
        seen = f"ten records logged in {took * 1000:.0f} ms, {sent} of them sent, {', '.join(bounds)}"
        good = took < 0.3 and sent == 10 and bool(queues) and all(queues)
    return judged(good, expected=expected, seen=seen, next_step="request_log.py TODO 2 and 3: lab hint 07")


def _tried(work: Work) -> tuple[Mapping[str, Any], str]:
    """Run the student's log with a sender that takes its time; return what came of it, or why nothing did."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", STUCK], cwd=work.folder, capture_output=True, text=True, timeout=10, check=False
        )
    except subprocess.TimeoutExpired:
        return {}, "request_log.py did not come to an end within 10 s"
    try:
        facts: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.strip().splitlines()
        return {}, f"request_log.py cannot be used: {said[-1] if said else 'it said nothing'}"
    return facts, ""


def check_one_id_leads_through_four_services(work: Work, probe: Probe) -> Finding:
    """The id of one opinion is found at the shop, Traefik, the api and the worker: now, and for the student's own."""
    order = f"order-{work.numbers['ORDER']}"
    expected = f"shop, Traefik, api and worker each have a record of an opinion sent now, and of {order}"
    if probe.wrong:
        return _told(probe, work, expected)
    ident = next((one.sent_id for one in probe.asked if one.what == "POST /opinions"), "")
    missing = [who for event, who in FOUR.items() if not any(
        one.event == event and one.request_id == ident for one in probe.records
    )]  # fmt: skip
    with _store(work) as store:
        own = store.search(f'request_id:"{order}"', 0.0, LATE, MOST)
    own_missing = [who for event, who in FOUR.items() if event not in {one.event for one in own}]
    answer = _answers(work).get("order_records")
    if missing:
        seen = f"of an opinion sent now, {', '.join(missing)} has no record of its id"
        next_step = "shop.py TODO 5; lab search 'event:request' --last 1m: whose id has the api's record?"
    elif own_missing:
        seen = f"of {order}, {', '.join(own_missing)} has no record"
        next_step = f"send it: POST /opinions with X-Request-ID: {order}; then lab trace {order}"
    else:
        seen = f"all four have both; answers.toml says that {order} has {answer!r} records, the store has {len(own)}"
        next_step = "count.sh TODO 1, then sh count.sh in your folder"
    good = not missing and not own_missing and answer == len(own)
    return judged(good, expected=f"{expected}; order_records is their number", seen=seen, next_step=next_step)


def _answers(work: Work) -> Mapping[str, Any]:
    """Return answers.toml, nothing when it is not there or not TOML."""
    try:
        return tomllib.loads(work.text("answers.toml"))
    except tomllib.TOMLDecodeError:
        return {}


def check_the_loss_adds_up_and_is_located(work: Work) -> Finding:
    """Sent minus arrived is lost, by the store's own count; and the counter that grew by as much says where."""
    wanted = work.numbers["RECORDS"]
    expected = f"sent {wanted:,} = arrived + lost, arrived as the store counts, lost_in as the collector's counters say"
    answers = _answers(work)
    run = str(answers.get("run", ""))
    if not re.fullmatch(r"frozen-\d+", run):
        seen = f"answers.toml names {'the run ' + repr(run) if run else 'no run'} and no frozen flood"
        return judged(False, expected=expected, seen=seen, next_step="flood.py, python flood.py frozen, then count.sh")
    with _store(work) as store:
        query = f"event:flood AND run:{run} AND number:*"
        arrived, twice = store.count(query, 0.0, LATE), store.repeated(query, 0.0, LATE, "number")
        first = store.search(query, 0.0, LATE, 1, newest_first=False)
    said = {name: answers.get(name) for name in ("sent", "arrived", "lost", "lost_in")}
    true = {"sent": wanted, "arrived": arrived, "lost": wanted - arrived}
    odd = [f"{name} is {said[name]!r}, the store says {value:,}" for name, value in true.items() if said[name] != value]
    places = _lost_in(work, first[0].time) if first else {}
    if not first:
        seen, next_step = f"no record of {run} in the store", "flood.py TODO; gelf_rejected_total: what is no GELF"
    elif twice or not 0 < arrived < wanted:
        seen = f"{arrived:,} records of {run} arrived, {len(twice)} numbers twice"
        next_step = f"number the records from 0 to RECORDS - 1; {work.shown}/flood.py frozen once more, then count.sh"
    else:
        counted = ", ".join(f"{number:,} in the {place}" for place, number in places.items())
        seen = (
            f"sent {said['sent']}, arrived {said['arrived']}, lost {said['lost']} in {said['lost_in']!r} (you guessed "
            f"{answers.get('guess_lost')}); counted as lost: {counted}"
        )
        seen += f"; {odd[0]}" if odd else ""
        next_step = "count.sh TODO 2 to 4, sh count.sh; which counter of flood.py's table grew by what is lost?"
    # Records of others may have been lost with them. A large buffer, read at once, may fill the collector's queue, too.
    located = true["lost"] <= sum(places.values()) <= true["lost"] * 1.02 + 5
    located = located and said["lost_in"] == max(places, key=lambda place: places[place], default="")
    good = bool(first) and not twice and 0 < arrived < wanted and not odd and located
    return judged(good, expected=expected, seen=seen, next_step=next_step)


def _lost_in(work: Work, begun: float) -> dict[str, int]:
    """Return how many records each place has counted as lost during the flood that began then."""
    counters = {"kernel": "gelf_socket_drops_total", "collector": 'log_documents_total{outcome="dropped"}'}
    return {place: _grown(work, counter, begun - 2.5, begun + 6) for place, counter in counters.items()}


def _grown(work: Work, counter: str, start: float, end: float) -> int:
    """Return what a counter, summed up, has grown between two moments; a series that was not there yet was 0."""
    with Prometheus(work.prometheus) as source:
        before, after = (
            sum(value for _, value in source.values(f"sum({counter})", at)) for at in (start, min(end, time.time()))
        )
    return round(after - before)


def check_log_and_metric_count_the_same_errors(work: Work) -> Finding:
    """The api's records of the student's bad requests are as many as Prometheus has counted in that time."""
    bad = work.numbers["BAD"]
    expected = f"{bad} bad requests with ids bad-{bad}-…: as many of event request in the store, and in Prometheus"
    query = f"status:>=400 AND request_id:bad-{bad}-*"
    with _store(work) as store:
        found = store.search(query, 0.0, LATE, MOST, newest_first=False)
        of_api = [one for one in found if one.event == "request"]
        if not of_api:
            seen = f"no record of the api with status >= 400 and an id that begins with bad-{bad}-"
            return judged(
                False, expected=expected, seen=seen, next_step="send them through the shop, as the text has it"
            )
        start, end = of_api[0].time - 2.5, of_api[-1].time + 3.0
        logged = store.count("status:>=400 AND event:request", start, end)
    counted = _grown(work, 'http_requests_total{job="api",status=~"4..|5.."}', start, end)
    answers = _answers(work)
    said = answers.get("bad_records"), answers.get("bad_requests")
    return judged(
        len(of_api) >= bad and logged == counted and said == (len(found), len(of_api)),
        expected=f"{expected}; bad_records {len(found)} in all services, bad_requests {len(of_api)}",
        seen=f"logged by the api {logged}, counted {counted}; your bad_records {said[0]!r}, bad_requests {said[1]!r}",
        next_step="count.sh TODO 5 and 6, then sh count.sh; lab search shows who else wrote a record of the same id",
    )


SERIES = 'http_requests_total{{job="api", replica="{}", method="POST", route="/predict", status="{}"}}'
# The rule is held against: 8 errors, 13 over replicas and statuses, redirects and good answers, 8 in each minute.
CASES: tuple[tuple[str, dict[tuple[str, str], str], tuple[str, ...], bool], ...] = (
    ("8 errors within a minute", {("api-1", "422"): "0x59 4x60", ("api-2", "503"): "0x59 4x60"}, ("1m10s",), False),
    (
        "13 errors, statuses 400 to 503, on two replicas",
        {("api-1", "400"): "0x59 5x200", ("api-1", "422"): "0x59 2x200", ("api-2", "503"): "0x59 6x200"},
        ("1m15s", "1m45s"),
        True,
    ),
    ("13 errors two minutes ago", {("api-1", "422"): "0x59 13x200"}, ("3m30s",), False),
    ("60 good answers and redirects", {("api-1", "200"): "0+1x100", ("api-2", "307"): "0x59 40x60"}, ("1m15s",), False),
    ("8 errors in each of five minutes", {("api-1", "404"): " ".join(f"{8 * n}x59" for n in range(6))}, ("5m",), False),
)


def check_the_rule_and_its_test_mean_more_than_ten_a_minute(work: Work) -> Finding:
    """The alerting rule keeps its promise on invented series; its test passes, and fails once the threshold moves."""
    expected = f"{ALERT} silent at 8, firing at 13, all replicas added; alert_test.yml passes, not with > 6 or > 14"
    rule, test = work.text("alert.yml"), work.text("alert_test.yml")
    next_step = "the comments in alert.yml and alert_test.yml; lab check 07 --only rule tries both again"
    wrong = [told for told, series, times, fires in CASES if failure(work.home, rule, _case(series, times, fires))]
    lived = [number for number in MOVED if not failure(work.home, with_threshold(rule, number), test)]
    if wrong:
        seen = f"alert.yml is wrong about: {'; '.join(wrong)}"
    elif why := failure(work.home, rule, test):
        seen, lived = f"alert_test.yml fails: {why}", list(MOVED)
    elif lived:
        seen = f"the rule is right; its test passes with the threshold {' and '.join(map(str, lived))}, too"
    else:
        seen = f"{len(CASES)} of {len(CASES)} cases right; its test passes, and fails with the thresholds {MOVED}"
    return judged(not wrong and not lived, expected=expected, seen=seen, next_step=next_step)


def _case(series: Mapping[tuple[str, str], str], times: tuple[str, ...], fires: bool) -> str:
    samples = [{"labels": "{}", "value": 1}] if fires else []
    query = f'count(ALERTS{{alertname="{ALERT}",alertstate="firing"}})'
    rows = [{"series": SERIES.format(*labels), "values": values} for labels, values in series.items()]
    tests = [{"expr": query, "eval_time": moment, "exp_samples": samples} for moment in times]
    one = {"interval": "1s", "input_series": rows, "promql_expr_test": tests}
    # JSON is YAML, too.
    return json.dumps({"rule_files": ["alert.yml"], "evaluation_interval": "5s", "tests": [one]})


def check_the_alert_fired_when_it_went_wrong(work: Work) -> Finding:
    """The rule is loaded in the running Prometheus, and fired during the student's bad requests."""
    bad = work.numbers["BAD"]
    expected = f"{ALERT} loaded in Prometheus, firing within a minute after your {bad} bad requests"
    with _store(work) as store:
        found = store.search(f"event:request AND status:>=400 AND request_id:bad-{bad}-*", 0.0, LATE, MOST)
    with Prometheus(work.prometheus) as source:
        loaded = [rule for rule in source.rules() if rule.get("name") == ALERT]
        fired: list[float] = []
        if found:
            query = f'ALERTS{{alertname="{ALERT}",alertstate="firing"}}'
            start, end = found[0].time - 60, found[0].time + 60
            fired = [moment for points in source.over_time(query, start, end, 1.0) for moment, _ in points]
    if not loaded:
        seen, next_step = f"Prometheus has no rule {ALERT}", "copy alert.yml beside its rules and send it SIGHUP"
    elif not found:
        seen = f"{ALERT} is loaded; the api has no record of a bad request bad-{bad}-…"
        next_step = "send them through the shop, as the text has it"
    elif not fired:
        seen = f"{ALERT} is loaded, and was silent around your {len(found)} bad requests"
        next_step = "send them again, one every 0.2 s: a burst within one scrape has no increase when its series is new"
    else:
        seen = f"{ALERT} fired {min(fired) - min(one.time for one in found):.0f} s after the first of {len(found)}"
        next_step = "lab alerts"
    return judged(bool(loaded and fired), expected=expected, seen=seen, next_step=next_step)
