"""The feedback route: what a prediction should have been, said by somebody who knows."""

import re
from time import time
from typing import Final

import msgspec

from app.api.acceptance import Acceptance, Submission, identity
from app.api.exchange import Exchange
from app.api.keyed import Call, KeyedEndpoint, Reply
from app.core.errors import RequestRefused, UnknownModel
from app.core.feedback import FeedbackEvent, FeedbackRequest, decode_request, encode
from app.core.jobs import fingerprint
from app.core.labels import checked_label
from app.core.model import ModelInfo
from app.core.ports import KeyRing, Recall, Recalled
from app.core.recent import Recent
from app.core.registry import Registry
from app.core.rows import UNREADABLE, checked_rows, unreadable
from app.core.serving import ServedModel
from app.core.topics import FEEDBACK
from app.telemetry.metrics import Counter

# Of a row as JSON: feedback is kept for good.
MOST_ROW_BYTES: Final = 64 << 10
# As the service gives them, or takes them over.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{1,128}").fullmatch


class GiveFeedback(KeyedEndpoint):
    """`POST /feedback`."""

    def __init__(
        self,
        exchange: Exchange,
        keys: KeyRing,
        registry: Registry[ServedModel],
        acceptance: Acceptance,
        recent: Recent,
        recall: Recall | None,
    ) -> None:
        """`recall`: what other replicas remember, None when they cannot be asked."""
        super().__init__("/feedback", exchange, keys)
        self._registry = registry
        self._acceptance = acceptance
        self._recent = recent
        self._recall = recall
        # Counted where it is stored: `feedback_total` is the worker's.
        self._accepted = Counter()

    async def reply(self, call: Call) -> Reply:
        ident, keyed = identity(call, b"feedback:")
        try:
            wanted = decode_request(call.body)
        except UNREADABLE as error:
            raise unreadable(error) from None
        judged = await self._judged(wanted)
        info = self._info(judged)
        event = FeedbackEvent(
            id=ident,
            client=call.client,
            model=judged.model,
            row=judged.row,
            label=checked_label(wanted.label, info),
            request_id=call.request.decode(),
            given=time(),
            about=wanted.request_id or "",
            version=judged.version,
            predicted=judged.predicted,
        )
        # Beside the records of jobs: no job has such an id.
        record = f"feedback-{ident}"
        submission = Submission(
            FEEDBACK, call.client, record, keyed, fingerprint(call.body), encode(event), call.request
        )
        await self._acceptance.accept(submission, self._accepted)
        return Reply(201, encode({"id": ident, "status": "stored"}), [], judged.model, judged.version)

    async def _judged(self, wanted: FeedbackRequest) -> Recalled:
        """Return the prediction that is judged; of a row that was sent along, version and answer are not known."""
        sent = bytes(wanted.data) != b"null"
        if wanted.request_id is not None and wanted.model is None and not sent:
            return await self._remembered(wanted.request_id)
        if wanted.request_id is None and wanted.model is not None and sent:
            info = self._registry.model(wanted.model).stable.info
            (row,) = checked_rows(wanted.data, info, 1)
            encoded = encode(row)
            if len(encoded) > MOST_ROW_BYTES:
                detail = f"a row of {len(encoded)} bytes as JSON; feedback takes at most {MOST_ROW_BYTES}"
                raise RequestRefused("too-large", detail)
            return Recalled(info.name, "", msgspec.Raw(encoded), None)
        raise RequestRefused("wrong-shape", "give either request_id, or model and data")

    async def _remembered(self, request_id: str) -> Recalled:
        if _REQUEST_ID(request_id):
            found = self._recent.find(request_id)
            if found is None and self._recall is not None:
                found = await self._recall.find(request_id)
            if found is not None:
                return found
        detail = "no replica remembers this request: only the last few hundred of one small row; send model and data"
        raise RequestRefused("unknown-request", detail)

    def _info(self, judged: Recalled) -> ModelInfo:
        """Return the facts of the version that predicted; of the stable one when that is gone, or not known."""
        try:
            return self._registry.version(judged.model, judged.version).info
        except UnknownModel:
            return self._registry.model(judged.model).stable.info
