"""How the edge shares the requests out over the replicas."""

from collections import Counter

import httpx

from labkit.check.deployment.burst import burst
from labkit.check.deployment.counters import API, grown
from labkit.check.deployment.subject import Deployment
from labkit.check.finding import Finding, Skip, failed, verdict
from labkit.loadgen.bodies import MODELS, rows_for

MOST_OFF = 0.10
"""Of an equal share: with two replicas and 2,000 requests each gets 900 to 1,100."""
PREDICTED = f'http_requests_total{{{API},route="/predict",method="POST"}}'


def check_load_is_balanced(deployment: Deployment) -> Finding:
    """Anonymous requests are shared out: each replica counts within 10 % of an equal share, by Prometheus."""
    amounts = deployment.amounts
    bodies = [{"data": rows_for(MODELS["iris"], number, rows=1)} for number in range(amounts.balanced)]
    with deployment.counters() as counters:
        replicas = counters.up()
        expected = len(replicas) if deployment.engine is None else len(deployment.engine.replicas())
        if len(replicas) != expected:
            there = f"Prometheus reaches {len(replicas)} replicas ({', '.join(replicas)}), the engine has {expected}"
            return failed(there, "lab status; the page /targets of Prometheus")
        if expected < 2 and deployment.engine is None:
            raise Skip("one replica: there is nothing to share out")
        if expected < 2:
            return failed("one replica: there is nothing to share out", "start a second one: lab scale api 2")
        counters.scraped()
        before = counters.by(PREDICTED, "replica")
        answers = burst(deployment.urls.service, "/predict", bodies, amounts.connections)
        counters.scraped()
        rise = grown(before, counters.by(PREDICTED, "replica"))
    got = {replica: rise.get((replica,), 0) for replica in replicas}
    bad = Counter(_outcome(answer) for answer in answers)
    del bad["200"]
    equal = sum(got.values()) / len(got)
    off = max(abs(count - equal) for count in got.values()) / equal if equal else 1.0
    told = ", ".join(f"{name} {count:,}" for name, count in got.items())
    seen = f"{told}: at most {off:.1%} off an equal share" + (f"; not answered: {dict(bad)}" if bad else "")
    next_step = "which replicas the edge knows and how they are weighted: lab urls, traefik/dynamic.yml"
    return verdict(off <= MOST_OFF and not bad, seen, next_step, replicas=got, off=round(off, 4), refused=dict(bad))


def _outcome(answer: httpx.Response | str) -> str:
    return answer if isinstance(answer, str) else str(answer.status_code)
