"""Lab 02: the student's own Traefik in front of whoami, asked as clients ask; one replica dies and comes back."""

import json
import time
import tomllib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest

from labkit.check.finding import Finding, judged
from labkit.course.evidence.asking import Answer, ask, clients, told, who
from labkit.course.evidence.json_lines import json_lines
from labkit.course.evidence.metrics import Page, read_page, rises, settled_page, summed
from labkit.course.processes import kill_served, serve, served
from labkit.course.work import Work
from labkit.errors import CannotRun
from labkit.stack import edge
from labkit.stack.ports import free

WEB, METRICS = 320, 321
REPLICAS = {"whoami-1": 331, "whoami-2": 332, "whoami-3": 333}
CANARY = "whoami-v2"
VICTIM = "whoami-2"
OURS, BARE, STRANGE = "whoami.localhost", "bare.localhost", "strange.localhost"
AT_ENTRY, AT_ROUTER = "traefik_entrypoint_requests_total", "traefik_router_requests_total"
AT_SERVICE = "traefik_service_requests_total"
PREDICTIONS = "http_requests_total"
CLIENTS = 6
WAIT_MS = 100  # so that the victim has a request in its hands when it dies
OUT_WITHIN, BACK_WITHIN = 3.0, 8.0  # seconds


@dataclass
class Death:
    """What happened when one replica was killed under traffic, and started again."""

    problem: str = ""
    """Why it could not be tried."""
    answers: list[Answer] = field(default_factory=list)
    out_after: float | None = None
    """Seconds from the kill to the moment at which the edge knew."""
    in_vain: int = 0
    """How often the edge tried a replica without success, for 15 requests after that moment."""
    failed: dict[str, int] = field(default_factory=dict)
    """Of 30 requests while it was dead, by host."""
    back: Counter[str] = field(default_factory=Counter)


@pytest.fixture(scope="module")
def death(work: Work) -> Death:
    """Kill one replica while clients ask, look, and start it again; shared by the checks that ask about it."""
    seen = Death()
    try:
        _live_through(work, seen)
    except CannotRun as error:
        seen.problem = str(error).partition("; next: ")[0]
    return seen


def check_a_host_rule_leads_to_whoami_and_a_strange_host_nowhere(work: Work) -> Finding:
    """The edge sends whoami.localhost to a replica, the host unchanged, and answers 404 to any other."""
    ours, strange = _ask(work, OURS, 1)[0], _ask(work, STRANGE, 1)[0]
    return judged(
        ours.status == 200 and ours.who in REPLICAS and f"\nHost: {OURS}\n" in ours.body and strange.status == 404,
        expected=f"{OURS}: 200 from a whoami that sees this host; {STRANGE}: 404 from the edge itself",
        seen=_nobody(work) or f"{OURS}: {told([ours])}; {STRANGE}: {told([strange])}",
        next_step=f"lab serve 02, then the router `whoami` in {work.shown}/dynamic.yml and {work.shown}/logs/edge.log",
    )


def check_three_replicas_share_the_requests_equally(work: Work) -> Finding:
    """Thirty requests, one after the other, are ten for each of three replicas."""
    answers = _ask(work, OURS, 30)
    return judged(
        _equal(who(answers)),
        expected="of 30 requests 10 (one more or less) from each of whoami-1, whoami-2, whoami-3",
        seen=_nobody(work) or told(answers),
        next_step=f"three whoami in {work.shown}/Procfile, three servers in the service `whoami` of dynamic.yml",
    )


def check_no_client_notices_that_a_replica_dies(death: Death, work: Work) -> Finding:
    """While three clients ask without a pause, one replica is killed: every request is answered 200."""
    failed = [one for one in death.answers if one.status != 200]
    return judged(
        not death.problem and len(death.answers) >= 30 and not failed,
        expected=f"0 failed requests while {VICTIM} is killed under the traffic of {CLIENTS} clients",
        seen=death.problem or f"{len(failed)} of {len(death.answers)} failed" + (f": {told(failed)}" if failed else ""),
        next_step=f"the middleware `again` in {work.shown}/dynamic.yml: enough attempts, the status 502, and its name "
        "in the router",
    )


def check_a_dead_replica_is_taken_out(death: Death, work: Work) -> Finding:
    """The health check finds the dead replica within three seconds; nothing is tried there after that."""
    when = f"out after {death.out_after:.1f} s" if death.out_after is not None else "never taken out"
    return judged(
        not death.problem and death.out_after is not None and not death.in_vain,
        expected=f"traefik_service_server_up of {VICTIM} is 0 within {OUT_WITHIN:.0f} s; 15 requests after that are no "
        "try in vain",
        seen=death.problem or f"{when}; {death.in_vain} tries in vain for 15 requests",
        next_step=f"healthCheck of the service `whoami` in {work.shown}/dynamic.yml: path /health, interval at most 1s",
    )


def check_a_replica_that_comes_back_gets_its_share_again(death: Death, work: Work) -> Finding:
    """After its new start the replica has a third of the requests, as before."""
    return judged(
        not death.problem and _equal(death.back),
        expected=f"of 30 requests after the new start of {VICTIM} 10 (one more or less) from each replica",
        seen=death.problem or _listed(death.back),
        next_step=f"curl -s http://127.0.0.1:{work.port(METRICS)}/api/http/services/whoami@file: is each server UP?",
    )


def check_the_canary_gets_your_weight(work: Work) -> Finding:
    """Of a hundred requests to canary.localhost, as many as the student's WEIGHT are answered by the next version."""
    weight = work.numbers["WEIGHT"]
    answers = _ask(work, "canary.localhost", 100)
    by_name = who(answers)
    rest = [by_name[name] for name in REPLICAS]
    return judged(
        abs(by_name[CANARY] - weight) <= 1 and by_name.total() == 100 and max(rest) - min(rest) <= 2,
        expected=f"of 100 requests {weight} (one more or less) from {CANARY} (your WEIGHT is {weight} %), "
        "the rest from the three others alike",
        seen=_nobody(work) or told(answers),
        next_step=f"the service `canary` in {work.shown}/dynamic.yml; your WEIGHT is in {work.shown}/task.env",
    )


def check_the_edge_counts_and_logs_every_request(work: Work) -> Finding:
    """Traefik's metrics and its access log hold what was sent: seven answered, five refused, each with its replica."""
    mark = f"/seen-{uuid4().hex[:8]}"
    before = _page(work)
    sent = Counter(one.who for one in [*_ask(work, OURS, 7, mark), *_ask(work, STRANGE, 5, mark)])
    after = _page(work)
    by_entry = rises(before.get(AT_ENTRY, {}), after.get(AT_ENTRY, {}), "entrypoint", "code")
    by_router = rises(before.get(AT_ROUTER, {}), after.get(AT_ROUTER, {}), "router", "code")
    counted = {" ".join(key): n for key, n in sorted({**by_entry, **by_router}.items()) if key[0] != "metrics"}
    names = {f"127.0.0.1:{work.port(offset)}": name for name, offset in REPLICAS.items()}
    logged = Counter(names.get(str(one.get("ServiceAddr", "")), "the edge") for one in _logged(work, mark))
    expected = {"web 200": 7, "web 404": 5, "whoami@file 200": 7}
    return judged(
        counted == expected and logged == sent,
        expected=f"7 answered and 5 refused requests: {_listed(expected)}; 12 records in the access log",
        seen=_nobody(work) or f"{_listed(counted)}; {logged.total()} records in the access log: {_listed(logged)}",
        next_step=f"{work.shown}/traefik.yml: metrics.prometheus with addRoutersLabels, accessLog as json to "
        "logs/access.log; then lab serve 02 --only edge",
    )


def check_your_answers_are_what_the_system_does(death: Death, work: Work) -> Finding:
    """answers.toml says what the checks measured: failures with and without protection, 404, the lab's own path."""
    given, broken = {}, ""
    try:
        given = tomllib.loads(work.text("answers.toml"))
    except tomllib.TOMLDecodeError as error:
        broken = f"answers.toml is no TOML: {error}"
    true: dict[str, Any] = {
        "bare_failed": death.failed.get(BARE),
        "whoami_failed": death.failed.get(OURS),
        "strange_host_status": _ask(work, STRANGE, 1)[0].status,
        "lab_health_path": _lab_health_path(work),
    }
    blank = [name for name in true if given.get(name, "TODO") == "TODO"]
    # That something is wrong is said, not what is right: measuring it is the exercise.
    wrong = [f"{name} = {given[name]!r}" for name in true if name not in blank and not _same(given[name], true[name])]
    return judged(
        not (blank or wrong or death.problem),
        expected="answers.toml says what your edge does while whoami-2 is dead, and how the lab's edge asks for health",
        seen=broken
        or (f"blank: {', '.join(blank)}" if blank else death.problem or "; ".join(wrong) or "all four as measured"),
        next_step=f"lab serve 02 --kill {VICTIM}; python {work.shown}/ask.py bare.localhost 30 (then whoami.localhost, "
        f"{STRANGE}); lab serve 02 --only {VICTIM}; {edge.FILE} in .lab/run",
    )


def check_the_edge_of_the_lab_balances_over_three(work: Work) -> Finding:
    """Of thirty predictions sent to the lab's own edge, each of three replicas counts ten."""
    before = _predictions(work)
    with httpx.Client(base_url=work.urls.service, timeout=5, trust_env=False) as client:
        for _ in range(30):
            client.post("/predict", json={"data": [[5.1, 3.5, 1.4, 0.2]]})
    grown, end = [0], time.monotonic() + 3
    while sum(grown) < 30 and time.monotonic() < end:  # a request is counted a moment after its answer
        grown = [now - was for was, now in zip(before, _predictions(work), strict=True)]
    return judged(
        len(grown) == 3 and all(abs(n - 10) <= 1 for n in grown),
        expected="3 replicas of the api; of 30 predictions 10 (one more or less) for each, by http_requests_total",
        seen=f"{len(grown)} replicas: {_listed({f'api-{number}': n for number, n in enumerate(grown, 1)})}",
        next_step="lab scale api 3 (lab status shows the replicas)",
    )


def _live_through(work: Work, seen: Death) -> None:
    if problem := _nobody(work):
        raise CannotRun(problem)
    first = _ask(work, OURS, 3)
    if any(one.status != 200 for one in first):
        raise CannotRun(f"{OURS} before anything died: {told(first)}")
    if VICTIM not in _running(work):
        raise CannotRun(f"no {VICTIM} runs by lab serve 02, only {', '.join(_running(work)) or 'nothing'}")
    try:
        with clients(CLIENTS, work.port(WEB), OURS, f"/?wait={WAIT_MS}") as seen.answers:
            time.sleep(0.6)
            kill_served(work.lab, work.home, VICTIM)
            killed = time.monotonic()
            if _known(work, up=0.0, within=OUT_WITHIN):
                seen.out_after = time.monotonic() - killed
            time.sleep(0.6)
        before = _page(work)
        _ask(work, OURS, 15)
        tries = rises(before.get(AT_SERVICE, {}), _page(work).get(AT_SERVICE, {}), "service", "code")
        seen.in_vain = sum(n for (service, code), n in tries.items() if service == "whoami@file" and code != "200")
        seen.failed = {host: sum(one.status != 200 for one in _ask(work, host, 30)) for host in (BARE, OURS)}
    finally:
        if VICTIM not in _running(work):
            serve(work.lab, work.folder, work.home, work.urls, work.base, VICTIM, lambda _: None)
    _known(work, up=1.0, within=BACK_WITHIN)
    seen.back = who(_ask(work, OURS, 30))


def _ask(work: Work, host: str, count: int, path: str = "/") -> list[Answer]:
    return ask(work.port(WEB), host, count, path)


def _page(work: Work) -> Page:
    """Return the metrics of the student's edge once nothing moves, nothing when it does not answer."""
    try:
        return settled_page(_metrics(work), "traefik_") or {}
    except (httpx.HTTPError, ValueError):
        return {}


def _known(work: Work, *, up: float, within: float) -> bool:
    """Wait until the edge's health check has found the victim so; False when it never does, or is not there."""
    victim = ("whoami@file", f"http://127.0.0.1:{work.port(REPLICAS[VICTIM])}")
    end = time.monotonic() + within
    while time.monotonic() < end:
        with suppress(httpx.HTTPError, ValueError):
            health = read_page(_metrics(work), "traefik_service_server_up").get("traefik_service_server_up", {})
            if summed(health, "service", "url").get(victim) == up:
                return True
        time.sleep(0.05)
    return False


def _metrics(work: Work) -> str:
    return f"http://127.0.0.1:{work.port(METRICS)}/metrics"


def _logged(work: Work, path: str) -> list[dict[str, Any]]:
    """Return the access log's records of the requests for a path."""
    return [one for one in json_lines(work.folder / "logs" / "access.log") if one.get("RequestPath") == path]


def _lab_health_path(work: Work) -> str:
    """Return which path the lab's own edge asks, as it has been told."""
    told = json.loads((work.home.run / edge.FILE).read_text(encoding="utf-8"))
    return str(told["http"]["services"]["stable"]["loadBalancer"]["healthCheck"]["path"])


def _predictions(work: Work) -> list[int]:
    """Return how many each replica of the lab has counted."""
    pages = [read_page(url, PREDICTIONS).get(PREDICTIONS, {}) for url in work.urls.metrics]
    return [int(summed(page, "route").get(("/predict",), 0)) for page in pages]


def _running(work: Work) -> list[str]:
    return sorted(one.name for one in served(work.lab, work.home) if one.alive())


def _nobody(work: Work) -> str:
    """Say on which port of the student's edge nobody listens, "" when somebody does on both."""
    silent = [str(work.port(offset)) for offset in (WEB, METRICS) if free(work.port(offset))]
    return f"nobody listens on port {' and '.join(silent)}, where your edge should be" if silent else ""


def _same(given: object, true: object) -> bool:
    """Compare an answer; of two counts of 30 requests each may be one off, since a round of three may be cut."""
    if isinstance(given, int) and isinstance(true, int) and 0 < true <= 30:
        return abs(given - true) <= 2
    return given == true


def _equal(by_name: Counter[str]) -> bool:
    """Tell whether 30 requests are 10 for each: one more or less when a round of three was cut at begin and end."""
    return sorted(by_name) == sorted(REPLICAS) and all(abs(n - 10) <= 1 for n in by_name.values())


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {n}" for name, n in sorted(counts.items())) or "nothing"
