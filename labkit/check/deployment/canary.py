"""The share of the requests that a canary answers."""

from collections import Counter

from labkit.check.deployment.burst import burst
from labkit.check.deployment.subject import Deployment
from labkit.check.finding import Finding, verdict
from labkit.loadgen.bodies import MODELS, rows_for

PATH = "/models/forest/predict"
CANARY = "v2"
MOST_OFF = 2.0
"""Points of a hundred."""
AFTER = 25
"""One request after the canary's end for so many before it."""
CONNECTIONS = 10
NEXT = "the weight at the edge: traefik/dynamic.yml, or what the discovery answers at /traefik"


def check_the_canary_gets_its_share(deployment: Deployment) -> Finding:
    """A canary with a weight of 10 % answers that share within 2 points, and nothing once it has ended."""
    engine, _ = deployment.acting()
    amounts = deployment.amounts
    deployment.canary = True
    try:
        engine.canary(amounts.canary_weight)
        deployment.say(f"{amounts.canary:,} requests, {amounts.canary_weight} % of them for the canary")
        versions = _answered(deployment, amounts.canary, 0)
    finally:
        engine.canary(0)
        deployment.canary = False
    after = _answered(deployment, amounts.canary // AFTER, amounts.canary)
    share = 100 * versions[CANARY] / amounts.canary
    right = sum(n for version, n in versions.items() if version.startswith("v"))
    seen = (
        f"{share:.1f} % of {amounts.canary:,} requests at weight {amounts.canary_weight}; {after[CANARY]} after its end"
    )
    if right < amounts.canary:
        seen += f"; answers: {dict(versions)}"
    good = abs(share - amounts.canary_weight) <= MOST_OFF and right == amounts.canary and not after[CANARY]
    return verdict(good, seen, NEXT, share=round(share, 2), versions=dict(versions), after=dict(after))


def _answered(deployment: Deployment, count: int, first: int) -> Counter[str]:
    """Return how many answers there were of each version, or under what they were instead of an answer."""
    bodies = [{"data": rows_for(MODELS["forest"], first + number, rows=1)} for number in range(count)]
    found: Counter[str] = Counter()
    for answer in burst(deployment.urls.service, PATH, bodies, CONNECTIONS):
        if isinstance(answer, str):
            found[answer] += 1
        elif answer.status_code == 200:
            found[answer.headers.get("x-model-version", "no version")] += 1
        else:
            found[str(answer.status_code)] += 1
    return found
