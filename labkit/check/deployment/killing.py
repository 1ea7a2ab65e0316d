"""A replica that is killed while requests are under way."""

from labkit.check.deployment.counters import API, Counters
from labkit.check.deployment.load import Load
from labkit.check.deployment.subject import Deployment
from labkit.check.finding import Finding, failed, verdict

STARTED = f"process_start_time_seconds{{{API}}}"
NEXT = "the edge's retries and health checks: traefik/dynamic.yml; lab search status:502"


def check_a_killed_replica_loses_no_request(deployment: Deployment) -> Finding:
    """A replica that is killed under load costs no client a request: the edge asks another one."""
    engine, found = deployment.acting()
    amounts = deployment.amounts
    try:
        if found.replicas < 2:
            engine.scale(2)  # one that is killed must leave one
        victim = engine.replicas()[-1].name
        with deployment.counters() as counters:
            counters.scraped()
            before = _processes(counters)
            with Load(deployment.urls.service, amounts.rate) as load:
                load.last(amounts.before)
                deployment.say(f"killing {victim}")
                engine.kill(victim)
                load.last(amounts.load - amounts.before)
            gone = counters.wait(lambda: before - _processes(counters))
    finally:
        deployment.say(f"going back to {found.replicas} replicas")
        engine.scale(found.replicas)
    if not gone:
        seen = f"{victim} was to be killed, and all {len(before)} processes still run"
        return failed(seen, "lab status; the engine did not kill it", **load.tally.figures())
    seen = f"{load.tally.words()} while {victim} was killed"
    return verdict(not load.tally.failed, seen, NEXT, victim=victim, **load.tally.figures())


def _processes(counters: Counters) -> set[tuple[str, float]]:
    """Return each running process of the service by its address and the moment at which it began."""
    return {(instance, began) for (instance,), began in counters.by(STARTED, "instance").items()}
