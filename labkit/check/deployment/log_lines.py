"""A request in the store of logs."""

import secrets
import time

from labkit.check.deployment.asking import IRIS, encoded
from labkit.check.deployment.subject import Deployment
from labkit.check.finding import Finding, failed, verdict
from labkit.logs.opening import open_store
from labkit.logs.store import LogRecord, LogStore

POLL = 0.25
EDGE_WITHIN = 5.0
"""Seconds that the edge's line may come later than that of the service."""
NEXT = "lab search --last 1m shows what arrives; lab status: collector"


def check_a_log_line_is_found_by_its_request_id(deployment: Deployment) -> Finding:
    """A request can be found in the store of logs by its id, as what it was."""
    address = deployment.needed(deployment.urls.logs or deployment.urls.elasticsearch, "store of logs", "LAB_LOGS_URL")
    ident = f"check-{secrets.token_hex(12)}"
    begun, sent_at = time.monotonic(), time.time()
    answer = deployment.ask(
        "POST", "/models/iris/predict", content=encoded({"data": IRIS}), headers={"X-Request-ID": ident}
    )
    patience = deployment.amounts.patience
    with open_store(address) as store:
        service = _found(store, ident, "request", sent_at, patience)
        took = time.monotonic() - begun
        if service is None:
            return failed(f"no line of request {ident} within {patience:g} s", NEXT)
        edge = _found(store, ident, "edge", sent_at, min(EDGE_WITHIN, patience))
    logged = (service.method, service.route, service.status, service.model)
    good = logged == ("POST", "/models/{model}/predict", answer.status_code, "iris")
    where = "service and edge" if edge is not None else "service (the edge's own lines are not in this store)"
    seen = f"found after {took:.1f} s, in the log of {where}"
    if not good:
        seen = f"request {ident} is logged as {logged}"
    return verdict(good, seen, NEXT, request_id=ident, took_s=round(took, 2), host=service.host, edge=edge is not None)


def _found(store: LogStore, ident: str, event: str, since: float, patience: float) -> LogRecord | None:
    """Return the record, None when it has not come in time; clocks of two machines may be a minute apart."""
    query = f'request_id:"{ident}" AND event:{event}'
    deadline = time.monotonic() + patience
    while True:
        records = store.search(query, since - 60, time.time() + 60, 1)
        if records or time.monotonic() > deadline:
            return records[0] if records else None
        time.sleep(POLL)
