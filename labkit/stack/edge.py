"""What the stack's Traefik is told of the replicas: one file of its folder, replaced whole."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labkit.stack.record import write_whole

FOLDER = "traefik/dynamic"  # in the run folder
FILE = f"{FOLDER}/replicas.yml"  # JSON, which is YAML
HEALTH_CHECK = {"path": "/readyz", "interval": "500ms", "timeout": "3s"}  # a busy replica answers late and stays in


def document(stable: Sequence[str], canary: Sequence[str], weight: int) -> dict[str, Any]:
    """Return the service `api` over replicas' URLs; the canary gets `weight` percent, if there is one.

    In containers app/discovery says the same.
    """
    services = {"stable": _balanced(stable)}
    shares = [{"name": "stable", "weight": 100}]
    if canary and weight:
        services["canary"] = _balanced(canary)
        shares = [{"name": "stable", "weight": 100 - weight}, {"name": "canary", "weight": weight}]
    # healthCheck: a share whose replicas are all down goes to the other one.
    services["api"] = {"weighted": {"healthCheck": {}, "services": shares}}
    return {"http": {"services": services}}


def _balanced(urls: Sequence[str]) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"url": url} for url in urls], "healthCheck": HEALTH_CHECK}}


def write_replicas(run: Path, stable: Sequence[str], canary: Sequence[str], weight: int) -> bool:
    """Write the file in one step; False when it says that already."""
    path, text = run / FILE, json.dumps(document(stable, canary, weight), indent=1)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    return True
