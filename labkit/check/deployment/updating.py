"""Another release for every replica, and back, while requests are under way."""

import time
from collections.abc import Callable

from labkit.check.deployment.counters import API, Counters
from labkit.check.deployment.load import Load
from labkit.check.deployment.subject import Deployment
from labkit.check.finding import Finding, verdict
from labkit.errors import CannotRun

INFO = f"service_info{{{API}}}"
NEXT = "readiness before a replica's end (LAB_DRAIN_SECONDS) against how often the edge looks; lab logs traefik"


def check_an_update_loses_no_request(deployment: Deployment) -> Finding:
    """Under load every replica is replaced by one of another release, and no request fails."""
    engine, found = deployment.acting()
    release = _other(deployment, found.release)
    return _changed(deployment, release, lambda: engine.update(release))


def check_a_rollback_loses_no_request(deployment: Deployment) -> Finding:
    """Under load every replica goes back to the release before the update, and no request fails."""
    engine, found = deployment.acting()
    release = _other(deployment, found.release)
    if any(replica.release != release for replica in engine.replicas()):
        deployment.say(f"an update to release {release} comes first")
        engine.update(release)
    return _changed(deployment, found.release, engine.rollback)


def _other(deployment: Deployment, found: str) -> str:
    if deployment.release == found:
        raise CannotRun(f"release {found} runs already; next: --release NAME of another one")
    return deployment.release


def _changed(deployment: Deployment, release: str, change: Callable[[], None]) -> Finding:
    engine, _ = deployment.acting()
    before = deployment.amounts.before
    with deployment.counters() as counters:
        with Load(deployment.urls.service, deployment.amounts.rate) as load:
            load.last(before)
            deployment.say(f"going to release {release}")
            begun = time.monotonic()
            change()
            took = time.monotonic() - begun
            load.last(before)
        replicas = engine.replicas()
        old = sorted({replica.release for replica in replicas if replica.release != release})
        counters.scraped()
        counters.wait(lambda: _releases(counters) == {release})
        measured = sorted(_releases(counters))
    seen = f"{load.tally.words()}; {len(replicas)} replicas of release {release} after {took:.0f} s"
    if old or measured != [release]:
        seen += f"; the engine still has {old or 'no other'}, Prometheus sees {measured}"
    good = not load.tally.failed and bool(replicas) and not old and measured == [release]
    figures = {"release": release, "replicas": len(replicas), "took_s": round(took, 1), "releases": measured}
    return verdict(good, seen, NEXT, **figures, **load.tally.figures())


def _releases(counters: Counters) -> set[str]:
    return {release for (release,) in counters.by(INFO, "release")}
