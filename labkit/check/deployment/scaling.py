"""Replicas that come and go."""

from labkit.check.deployment.balance import PREDICTED
from labkit.check.deployment.counters import Counters, grown
from labkit.check.deployment.load import Load
from labkit.check.deployment.subject import Deployment
from labkit.check.finding import Finding, verdict

STEPS = (1, 3, 1)
NEXT = "which replicas the edge and Prometheus know: lab urls, the page /targets of Prometheus"


def check_replicas_scale_up_and_down(deployment: Deployment) -> Finding:
    """From 1 replica to 3 and back to 1: edge and Prometheus follow, each one gets requests, and none fails."""
    engine, found = deployment.acting()
    problems: list[str] = []
    try:
        engine.scale(STEPS[0])
        with deployment.counters() as counters, Load(deployment.urls.service, deployment.amounts.light) as load:
            for number, count in enumerate(STEPS):
                if number:
                    deployment.say(f"from {STEPS[number - 1]} replicas to {count}")
                    engine.scale(count)
                    load.last(deployment.amounts.before)
                there = sum(replica.ready for replica in engine.replicas())
                if there != count:
                    problems.append(f"{there} replicas instead of {count}")
                problems += _unknown(counters, count)
    finally:
        deployment.say(f"going back to {found.replicas} replicas")
        engine.scale(found.replicas)
    steps = " → ".join(str(count) for count in STEPS)
    seen = f"{steps}: {load.tally.words()}" + "".join(f"; {problem}" for problem in problems)
    return verdict(not problems and not load.tally.failed, seen, NEXT, problems=problems, **load.tally.figures())


def _unknown(counters: Counters, count: int) -> list[str]:
    """Return what is wrong with the replicas as Prometheus and, by their requests, the edge know them."""
    if not counters.wait(lambda: len(counters.up()) == count):
        there = counters.up()
        return [f"Prometheus reaches {len(there)} replicas ({', '.join(there)}) instead of {count}"]
    before = counters.by(PREDICTED, "replica")
    idle: list[str] = []

    def all_busy() -> bool:
        busy = grown(before, counters.by(PREDICTED, "replica"))
        idle[:] = [replica for replica in counters.up() if (replica,) not in busy]
        return not idle

    return [] if counters.wait(all_busy) else [f"no request for {', '.join(idle)}"]
