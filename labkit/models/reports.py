"""What the running replicas and workers say of the versions that they use."""

import time
from collections.abc import Callable, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from labkit.home import Home
from labkit.models.routes import Route
from labkit.stack.record import read_record

Traffic = Mapping[str, Mapping[str, float]]
"""Share of the requests by model and version, 0 to 1."""
TIMEOUT = 2.0
EVERY = 0.1
# A replica that is busy with a load of the size of this machine still looks at the file within this time (seconds).
WITHIN = 30.0


def reports(home: Home) -> dict[str, Traffic | None]:
    """Return what each api and worker of the stack serves, by its name; None of one that does not answer.

    Empty when no stack is up. A component that is held down on purpose is not asked.
    """
    record = read_record(home.run)
    if record is None or not record.alive():
        return {}
    found: dict[str, Traffic | None] = {}
    with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
        for member in record.members:
            ask = _ASK.get(member.name.split("-")[0])
            if ask is not None and member.port is not None and member.state != "held":
                try:
                    found[member.name] = ask(client, f"http://127.0.0.1:{member.port}")
                except (httpx.HTTPError, ValueError, KeyError):
                    found[member.name] = None
    return found


def wait(home: Home, model: str, route: Route, within: float) -> tuple[int, list[str]]:
    """Wait until all of them serve as the route says; return how many do, and the names of those that do not."""
    deadline = time.monotonic() + within
    while True:
        seen = reports(home)
        late = [name for name, traffic in seen.items() if not serves(traffic, model, route)]
        if not late or time.monotonic() >= deadline:
            return len(seen) - len(late), late
        time.sleep(EVERY)


def serves(traffic: Traffic | None, model: str, route: Route) -> bool:
    """Say whether the versions of the route are loaded and get their shares, and no other gets any."""
    shares = (traffic or {}).get(model, {})
    wanted = route.traffic
    return wanted.keys() <= shares.keys() and all(
        abs(share - wanted.get(version, 0.0)) < 1e-6 for version, share in shares.items()
    )


def _of_api(client: httpx.Client, url: str) -> Traffic:
    answer = client.get(f"{url}/models").raise_for_status()
    return {entry["name"]: entry["traffic"] for entry in answer.json()["models"]}


def _of_worker(client: httpx.Client, url: str) -> Traffic:
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(client.get(f"{url}/metrics").raise_for_status().text):
        for sample in family.samples:
            if sample.name == "model_traffic_share":
                found.setdefault(sample.labels["model"], {})[sample.labels["version"]] = sample.value
    return found


_ASK: Mapping[str, Callable[[httpx.Client, str], Traffic]] = {"api": _of_api, "worker": _of_worker}
