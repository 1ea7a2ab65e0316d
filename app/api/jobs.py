"""The job routes: rows handed in to be predicted later, and what became of them."""

import re
from time import time
from typing import Final

from app.api.acceptance import Acceptance, Submission, identity
from app.api.exchange import Exchange
from app.api.keyed import Call, KeyedEndpoint, Reply
from app.core.errors import RequestRefused, StoreAway
from app.core.jobs import Job, JobView, decode_request, encode, fingerprint
from app.core.ports import JobStore, KeyRing
from app.core.registry import Registry
from app.core.rows import UNREADABLE, checked_rows, unreadable
from app.core.serving import ServedModel
from app.core.topics import JOBS
from app.telemetry.metrics import Metrics

PREFIX: Final = "/jobs/"
_ID = re.compile(r"[0-9a-f]{32}").fullmatch


class SubmitJob(KeyedEndpoint):
    """`POST /jobs`."""

    def __init__(
        self,
        exchange: Exchange,
        keys: KeyRing,
        registry: Registry[ServedModel],
        acceptance: Acceptance,
        metrics: Metrics,
        most_rows: int,
    ) -> None:
        super().__init__("/jobs", exchange, keys)
        self._registry = registry
        self._acceptance = acceptance
        self._most_rows = most_rows
        self._submitted = {name: metrics.counter("jobs_submitted_total", name) for name in registry.models}

    async def reply(self, call: Call) -> Reply:
        ident, keyed = identity(call)
        try:
            wanted = decode_request(call.body)
        except UNREADABLE as error:
            raise unreadable(error) from None
        info = self._registry.model(wanted.model).stable.info
        # Checked as for a prediction, so that a worker can answer whatever is accepted.
        checked_rows(wanted.data, info, self._most_rows)
        job = Job(
            id=ident,
            client=call.client,
            model=info.name,
            data=wanted.data,
            request_id=call.request.decode(),
            accepted=time(),
        )
        submission = Submission(JOBS, call.client, ident, keyed, fingerprint(call.body), encode(job), call.request)
        await self._acceptance.accept(submission, self._submitted[info.name])
        payload = encode(JobView(id=ident, status="queued"))
        return Reply(202, payload, [(b"location", b"/jobs/" + ident.encode())], info.name)


class ShowJob(KeyedEndpoint):
    """`GET /jobs/{id}`."""

    method = "GET"

    def __init__(self, exchange: Exchange, keys: KeyRing, store: JobStore | None) -> None:
        super().__init__("/jobs/{id}", exchange, keys)
        self._store = store

    async def reply(self, call: Call) -> Reply:
        if self._store is None:
            raise StoreAway("no store is configured (LAB_STORE_URL)")
        ident = call.path.removeprefix(PREFIX)
        found = await self._store.find(call.client, ident) if _ID(ident) else None
        if found is None:
            raise RequestRefused("unknown-job", "no job of yours has this id; ids are those that POST /jobs answers")
        return Reply(200, encode(found), [(b"cache-control", b"no-store")], found.model, found.version)
