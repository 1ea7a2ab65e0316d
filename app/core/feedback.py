"""Feedback as messages: what somebody says that a prediction should have been."""

from typing import Any, Final

import msgspec

Label = int | float | str


class FeedbackRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /feedback`: the true answer to an earlier request, or to one row sent along."""

    label: Label
    request_id: str | None = None
    model: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")  # msgspec takes no `Raw | None`
    """One row in a list, as `POST /models/{model}/predict` takes it; null when there is none."""


class FeedbackEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The value of a message of the topic `feedback`, keyed by client."""

    id: str
    client: str
    model: str
    row: msgspec.Raw
    """One row as JSON: a list of numbers or a text."""
    label: Label
    request_id: str
    """Of the request that brought the feedback."""
    given: float
    """Epoch seconds."""
    about: str = ""
    """Id of the request whose prediction is judged, if it was named."""
    version: str = ""
    predicted: Any = None
    """What the service had answered, if it is known; else the worker asks the model."""


encode: Final = msgspec.json.Encoder().encode
decode_request: Final = msgspec.json.Decoder(FeedbackRequest).decode
decode_event: Final = msgspec.json.Decoder(FeedbackEvent).decode
