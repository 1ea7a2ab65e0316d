"""What Traefik reads: its dynamic configuration, as JSON. https://doc.traefik.io/traefik/providers/http/"""

from collections.abc import Sequence
from typing import Any

HEALTH_CHECK = {"path": "/readyz", "interval": "500ms", "timeout": "3s"}  # a busy replica answers late and stays in


def document(stable: Sequence[str], canary: Sequence[str], weight: int) -> dict[str, Any]:
    """Return the service `api` over the replicas, HOST:PORT each; the canary gets `weight` percent, if there is one."""
    services = {"stable": _balanced(stable)}
    shares = [{"name": "stable", "weight": 100}]
    if canary and weight:
        services["canary"] = _balanced(canary)
        shares = [{"name": "stable", "weight": 100 - weight}, {"name": "canary", "weight": weight}]
    # healthCheck: a share whose replicas are all down goes to the other one.
    services["api"] = {"weighted": {"healthCheck": {}, "services": shares}}
    return {"http": {"services": services}}


def _balanced(replicas: Sequence[str]) -> dict[str, Any]:
    return {
        "loadBalancer": {
            "servers": [{"url": f"http://{replica}"} for replica in replicas],
            "healthCheck": HEALTH_CHECK,
        }
    }
