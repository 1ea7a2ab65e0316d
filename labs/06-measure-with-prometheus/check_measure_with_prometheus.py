"""The checks of lab 06: what the shop tells is true, and what the student asks of it is what the samples say."""

import contextlib
import http.client
import json
import math
import re
import time
import tomllib
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from labkit.check.finding import Finding, judged
from labkit.course.evidence import red
from labkit.course.evidence.alert_rule import alert_rule, unnoticed
from labkit.course.evidence.measured import MeasuredService
from labkit.course.evidence.metrics import bucket, limits, quantile, rises, summed
from labkit.course.evidence.rule_tests import failure
from labkit.course.work import Work
from labkit.dashboards.files import Shelf
from labkit.dashboards.serving import place
from labkit.errors import CannotRun
from labkit.prove.phases import Phases, phases_of
from labkit.prove.prometheus import Prometheus
from labkit.prove.promql import metric_names
from labkit.prove.proof import prove_panels

SHOP, METRICS = 360, 361
CALLED = red.Metrics("work", "shop_requests_total", "shop_request_seconds", "shop_in_flight")
COUNTER, BUCKETS, COUNT = CALLED.counter, f"{CALLED.histogram}_bucket", f"{CALLED.histogram}_count"
NAMES = {COUNTER, BUCKETS, COUNT, CALLED.gauge}
ORDERS, HELD, STRANGERS = 50, 7, 30
SETTLE_S, LINE, MOST_TOLD = 21.0, 0.05, 6
Trouble = tuple[str, str]
"""What is seen, and the next step."""


class Shop(MeasuredService):
    """The student's shop; `trouble`: why nothing can be said about it."""

    def __init__(self, work: Work) -> None:
        super().__init__(f"127.0.0.1:{work.port(SHOP)}", f"127.0.0.1:{work.port(METRICS)}", "shop_")
        self.trouble = self._trouble(work)

    def _trouble(self, work: Work) -> Trouble | None:
        if not self.status("/items/1"):
            return f"nobody answers at {self.address}", f"lab serve 06, then cat {work.shown}/logs/shop.log"
        try:
            missing = NAMES - self.names()
        except (httpx.HTTPError, ValueError) as error:
            seen = f"the shop answers, but there are no metrics at {self.metrics} ({type(error).__name__})"
            return seen, f"{work.shown}/red.py, TODO 8; then lab serve 06"
        if missing:
            seen = f"the metrics at {self.metrics} lack {', '.join(sorted(missing))}"
            return seen, f"{work.shown}/red.py, TODO 1 to 3 and 7; then lab serve 06"
        if not self.page():
            return "the numbers of the shop keep moving: somebody else uses it", "wait until traffic.py has ended"
        return None


@pytest.fixture(scope="module")
def shop(work: Work) -> Iterator[Shop]:
    """The shop, found and looked at once."""
    with Shop(work) as found:
        yield found


def check_prometheus_scrapes_the_shop(work: Work, shop: Shop) -> Finding:
    """Prometheus reads the shop's metrics, and finds all three of them."""
    where = shop.metrics
    expected = f'up{{job="work"}} = 1 at {where}, and series of {", ".join(sorted(NAMES))}'
    copy = f"cp {work.shown}/targets.yml .lab/run/prometheus/targets/work-06.yml"
    ups, names = _scraped(work)
    deadline = time.monotonic() + 6
    while not shop.trouble and (ups.get(where) != 1 or not names >= NAMES) and time.monotonic() < deadline:
        time.sleep(0.5)
        ups, names = _scraped(work)
    if not ups:
        return _red(expected, ("Prometheus knows no target of the job work", f"{copy} (the port of the metrics in it)"))
    seen = ", ".join(f"up is {value:g} at {instance}" for instance, value in ups.items())
    if ups.get(where) != 1:
        return _red(expected, (seen, f"lab serve 06; {copy}; then curl -s {where}/metrics"))
    missing = sorted(NAMES - names)
    seen += f", no {', '.join(missing)}" if missing else f", {len(names)} metrics of the shop"
    return judged(not missing, expected=expected, seen=seen, next_step=f"{work.shown}/red.py, TODO 1 to 3 and 7")


def check_every_answer_is_counted_once_as_what_it_was(shop: Shop) -> Finding:
    """The counter rises by exactly what clients got, by route and status, also where the code broke."""
    expected = f"each of {ORDERS + 20} requests counted once, as its client saw it; one whose code broke is a 5xx"
    if shop.trouble:
        return _red(expected, shop.trouble)
    before = shop.page()
    with ThreadPoolExecutor(10) as pool:
        looks = list(pool.map(shop.status, (f"/items/{uuid.uuid4().hex}" for _ in range(15))))
        searches = list(pool.map(shop.status, ("/search?q=a" for _ in range(5))))
        orders = list(pool.map(shop.status, ["/checkout"] * ORDERS, [{"item": "tea"}] * ORDERS))
    got: Counter[tuple[str, ...]] = Counter()
    for route, codes in (("/items/{item}", looks), ("/search", searches), ("/checkout", orders)):
        got.update((route, f"{code // 100}xx") for code in codes)
    risen_by = rises(before[COUNTER], shop.page().get(COUNTER, {}), "route", "status")
    return judged(
        risen_by == got,
        expected=f"{expected}: {_told(got)}",
        seen=f"counted: {_told(risen_by)}",
        next_step="red.py, TODO 5 and 7: which line does every request pass, and what is status there?",
    )


def check_strangers_make_no_new_series(shop: Shop) -> Finding:
    """Paths that nobody thought of are counted in one series, and all items in one."""
    expected = f"{STRANGERS} unknown paths rise in one series, 10 items never seen in another; no label for each path"
    if shop.trouble:
        return _red(expected, shop.trouble)
    before = shop.page()[COUNTER]
    for path in (f"/{uuid.uuid4().hex}/wp-login.php" for _ in range(STRANGERS)):
        shop.status(path)
    for item in range(10):
        shop.status(f"/items/{uuid.uuid4().hex}-{item}")
    after = shop.page().get(COUNTER, {})
    new = summed(after, "route").keys() - summed(before, "route").keys()
    risen_by = rises(before, after, "route", "status")
    example = f", such as {min(new)[0]}" if new else ""
    return judged(
        sorted(risen_by.values()) == [10, STRANGERS] and risen_by["/items/{item}", "2xx"] == 10 and len(new) < 2,
        expected=expected,
        seen=f"{len(risen_by)} series rose, by {risen_by.total()} in all; {len(new)} new values of route{example}",
        next_step="red.py, TODO 4: the template that matched, and one word for all that match none",
    )


def check_the_histogram_tells_fast_from_slow(work: Work, shop: Shop) -> Finding:
    """Each request is in the histogram once, in buckets that are narrow where the requests are."""
    expected = (
        "each route: as many observed as counted, median and p99 in buckets that end at twice their begin or less"
    )
    if shop.trouble:
        return _red(expected, shop.trouble)
    for _ in range(5):
        shop.status("/search?q=b")
    page = shop.page()
    observed = summed(page[COUNT], "route")
    wrong, seen = [], []
    for (route,), count in summed(page[COUNTER], "route").items():
        if observed.get((route,), 0.0) != count:
            wrong.append(f"{route}: {observed.get((route,), 0):g} observed, {count:g} counted")
        for name, share in (("median", 0.5), ("p99", 0.99)) if observed.get((route,)) else ():
            low, high = bucket(limits(page[BUCKETS], route=route), share)
            seen.append(f"{route} {name} {low:g} to {high:g} s")
            if high > max(2.05 * low, 0.01):
                wrong.append(seen[-1])
    step = f"red.py, TODO 2 and 7: limits from 0.005 s to beyond SLOW_MS = {work.numbers['SLOW_MS']}, doubled each time"
    seen = [one for one in seen if "p99" in one]
    return judged(bool(seen) and not wrong, expected=expected, seen="; ".join(wrong or seen), next_step=step)


def check_in_flight_rises_and_falls(shop: Shop) -> Finding:
    """Orders whose body has not come yet are in flight, each once; answered, they are not."""
    expected = f"shop_in_flight is 0 while nobody asks, {HELD} with {HELD} orders held open, 0 when they are answered"
    if shop.trouble:
        return _red(expected, shop.trouble)
    high = calm = shop.gauge(CALLED.gauge, 0)
    held = [http.client.HTTPConnection(shop.address, timeout=10) for _ in range(HELD)]
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError, http.client.HTTPException):
        for one in held:
            stack.callback(one.close)
            one.putrequest("POST", "/checkout")
            one.putheader("Content-Type", "application/json")
            one.putheader("Content-Length", "2")
            one.endheaders()
        high = shop.gauge(CALLED.gauge, calm + HELD)
        for one in held:
            one.send(b"{}")
        for one in held:
            one.getresponse().read()
    low = shop.gauge(CALLED.gauge, 0)
    return judged(
        (calm, high, low) == (0, HELD, 0),
        expected=expected,
        seen=f"{calm:g} before, {high:g} with {HELD} held open, {low:g} when they were answered",
        next_step="red.py, TODO 6 and 7: up when a request comes in, down however it ends",
    )


def check_four_questions_get_the_answers_of_the_samples(work: Work) -> Finding:
    """Each query, asked of two minutes of the student's traffic, gives what the raw samples of that minute say."""
    expected = "rate, errors, p99 and peak as the raw samples of your traffic give them, within 5 % (p99: 15 %)"
    queries = _toml(work, "queries.toml")
    for name in ("rate", "errors", "p99", "peak"):
        if str(queries.get(name, "")).strip() in ("", "TODO"):
            return _red(expected, (f"queries.toml: {name} is not written yet", f"{work.shown}/queries.toml"))
    if CALLED.gauge not in metric_names(str(queries["peak"])):
        return _red(expected, (f"queries.toml: peak does not ask for {CALLED.gauge}", f"{work.shown}/queries.toml"))
    phases = _phases(work)
    if not isinstance(phases, Phases):
        return _red(expected, phases)
    seen = []
    for moment in (phases.first_low.end, phases.high.end, phases.last_low.end):
        at = time.strftime("at %H:%M:%S", time.localtime(moment))
        truth = red.minute(work.prometheus, CALLED, moment)
        if not all(truth.values()):
            nothing = f"Prometheus has no samples of the shop from the minute {at}"
            return _red(expected, (nothing, f"lab serve 06; then python {work.shown}/traffic.py"))
        if moment == phases.first_low.end:  # most of that minute is from before the traffic, and may not be there
            truth = {"peak": truth["peak"]}
        for name, right in truth.items():
            close = red.CLOSE_P99 if name == "p99" else red.CLOSE
            told, good = red.compared(work.prometheus, str(queries[name]), moment, right, close)
            if not good:
                said = f"{name} {at}: {told}; the samples say {red.worded(right)}"
                return _red(expected, (said, f"python {work.shown}/ask.py shows what comes back; lab hint 06"))
            seen.append(f"{name} {told}")
    return judged(True, expected=expected, seen="; ".join(seen[-4:]), next_step="")


def check_your_answers_are_those_of_the_shop(work: Work, shop: Shop) -> Finding:
    """The predictions, corrected by what was measured, are true of this shop."""
    expected = "answers.toml names the route that is slowest on average, that with the slowest hundredth, and how many"
    given = _toml(work, "answers.toml")
    names = ("slowest_on_average", "slowest_hundredth", "route_values")
    if empty := [name for name in names if not given.get(name)]:
        return _red(expected, (f"answers.toml: no {', '.join(empty)} yet", f"{work.shown}/answers.toml"))
    if shop.trouble:
        return _red(expected, shop.trouble)
    page = shop.page()
    sums = summed(page[f"{CALLED.histogram}_sum"], "route")
    means = {route[0]: sums[route] / count for route, count in summed(page[COUNT], "route").items() if count}
    slow = {route: quantile(limits(page[BUCKETS], route=route), 0.99) for route in means}
    if not means:
        return _red(expected, ("the histogram is empty", "red.py, TODO 7"))
    truth = (max(means, key=means.__getitem__), max(slow, key=slow.__getitem__), len(summed(page[COUNTER], "route")))
    wrong = [name for name, right in zip(names, truth, strict=True) if given[name] != right]
    seen = ", ".join(f"{name} = {given[name]}" for name in names)
    return judged(
        not wrong,
        expected=expected,
        seen=f"{seen}; the shop says otherwise of {', '.join(wrong)}" if wrong else seen,
        next_step=f"curl -s {shop.metrics}/metrics | grep shop_: an average is _sum / _count",
    )


def check_the_panel_follows_the_traffic(work: Work) -> Finding:
    """The panel is proved by the student's traffic; its unit and the names of its lines say what is seen."""
    expected = "the panel proved by your traffic, in requests a second (unit reqps), a line for each {{route}}"
    file = f"{work.shown}/dashboards/shop.json"
    try:
        panel = next(iter(Shelf(work.folder / "dashboards").dashboard("shop").panels.values()))
        target, unit = panel["targets"][0], str(panel["fieldConfig"]["defaults"]["unit"])
        legend, asked = str(target["legendFormat"]), str(target["expr"])
    except (LookupError, StopIteration, TypeError) as error:
        return _red(expected, (f"no panel can be read: {error}", file))
    if blank := [n for n, text in (("expr", asked), ("legendFormat", legend), ("unit", unit)) if text in ("", "TODO")]:
        return _red(expected, (f"the panel has no {', '.join(blank)} yet", file))
    phases = _phases(work)
    if not isinstance(phases, Phases):
        return _red(expected, phases)
    try:
        (proof, *_) = prove_panels(phases, work.folder / "dashboards", work.prometheus, place(work.home).scrape)
    except CannotRun as error:
        return _red(expected, (str(error), file))
    rate, lines = proof.findings[0].middles.get("high") or 0.0, proof.findings[0].series
    wrong = [f"not proved: {proof.why}"] if proof.why else []
    if not math.isclose(rate, phases.high.rate, rel_tol=0.1):
        wrong.append(f"shows {rate:.3g} while {phases.high.rate:g} requests came each second")
    if unit not in ("reqps", "rps"):
        wrong.append(f"its unit is {unit}")
    if lines < 3 or not re.search(r"\{\{\s*route\s*\}\}", legend):
        wrong.append(f"{lines} lines, named {legend}")
    seen = "; ".join(wrong) or f"proved: {lines} lines, {rate:.3g} requests/s in the middle of the traffic"
    return judged(not wrong, expected=expected, seen=seen, next_step=f"lab dashboards --folder {work.shown}/dashboards")


def check_the_alert_has_a_test_that_can_fail(work: Work) -> Finding:
    """The rule looks at the share of errors, its test passes, and fails when the rule is changed."""
    expected = f"ShopErrors: share of 5xx > {LINE} for 20s; its test passes, and fails with each of three changed rules"
    rules, test = work.text("rules.yml"), work.text("rules_test.yml")
    rule = alert_rule(rules, "ShopErrors")
    if rule is None or "vector(" in rule.value:
        return _red(expected, ("rules.yml: no alert ShopErrors that compares a share yet", f"{work.shown}/rules.yml"))
    if rule.bound != LINE or rule.waits != "20s":
        return _red(expected, (f"the rule fires over {rule.bound:g} after {rule.waits}", f"{work.shown}/rules.yml"))
    if said := failure(work.home, rules, test, file="rules.yml"):
        return _red(expected, (f"promtool: {said}", f"{work.shown}/rules.yml and rules_test.yml"))
    if blind := unnoticed(work.home, rules, test, "ShopErrors"):
        step = "rules_test.yml: a case at 6 % (silent one evaluation before it fires) and one at 4 % (always silent)"
        return _red(expected, (f"the test still passes with {', '.join(blind)}", step))
    phases = _phases(work)
    if not isinstance(phases, Phases):
        return _red(expected, phases)
    moment = phases.last_low.end
    share = red.minute(work.prometheus, CALLED, moment)["errors"]
    told, good = red.compared(work.prometheus, rule.value, moment, share)
    return judged(
        bool(share) and good,
        expected=f"{expected}; at the end of your traffic its value was {red.worded(share)}",
        seen=f"the test passes, and fails with 3 of 3 changed rules; the value was {told}",
        next_step="rules.yml: the same share as errors in queries.toml",
    )


def _red(expected: str, trouble: Trouble) -> Finding:
    return judged(False, expected=expected, seen=trouble[0], next_step=trouble[1])


def _told(counts: Mapping[tuple[str, ...], int]) -> str:
    told = [f"{' '.join(key)} {count}" for key, count in sorted(counts.items())]
    return ", ".join([*told[:MOST_TOLD], *(["…"] if len(told) > MOST_TOLD else [])]) or "nothing"


def _scraped(work: Work) -> tuple[dict[str, float], set[str]]:
    """Return `up` by address, and the shop's metrics that Prometheus has."""
    with Prometheus(work.prometheus) as source:
        ups = {labels["instance"]: value for labels, value in source.values('up{job="work"}')}
        there = source.values('group by (__name__) ({job="work",__name__=~"shop_.+"})')
    return ups, {labels["__name__"] for labels, _ in there}


def _toml(work: Work, name: str) -> dict[str, Any]:
    """Return the file's entries, none of one that is no TOML."""
    try:
        return tomllib.loads(work.text(name))
    except tomllib.TOMLDecodeError:
        return {}


def _phases(work: Work) -> Phases | Trouble:
    """Return when the student's traffic was low, high and low again."""
    step = f"python {work.shown}/traffic.py (84 s)"
    try:
        facts = json.loads(work.text("traffic.json"))
        return phases_of(facts, SETTLE_S)
    except (ValueError, LookupError, TypeError, CannotRun):
        return "no traffic yet: no traffic.json beside traffic.py", step
