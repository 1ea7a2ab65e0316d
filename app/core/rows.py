"""The request bodies of predictions: bytes in, checked rows out."""

from typing import Any, Generic, TypeVar

import msgspec

from app.core.errors import RequestRefused
from app.core.model import ModelInfo

T = TypeVar("T")


class Body(msgspec.Struct, Generic[T], forbid_unknown_fields=True):
    """`{"data": [row, ...]}`."""

    data: list[T]


_NUMBERS = msgspec.json.Decoder(Body[list[float]])
_TEXTS = msgspec.json.Decoder(Body[str])

# What decoding hostile bytes can raise: malformed JSON, wrong types, nesting too deep, text that is no UTF-8.
UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def unreadable(error: Exception) -> RequestRefused:
    """Return the refusal for an error out of UNREADABLE: wrong shape (422) or no JSON at all (400)."""
    if isinstance(error, msgspec.ValidationError):
        return RequestRefused("wrong-shape", str(error))
    if isinstance(error, RecursionError):
        return RequestRefused("not-json", "the body is nested too deep")
    return RequestRefused("not-json", f"the body is not JSON: {error}")


def number_rows(body: bytes, info: ModelInfo, most: int) -> list[list[float]]:
    """Return 1 to `most` rows of `info.width` finite numbers. Raises RequestRefused."""
    try:
        rows = _NUMBERS.decode(body).data
    except UNREADABLE as error:
        raise unreadable(error) from None
    if not 0 < len(rows) <= most:
        raise wrong_count(len(rows), most)
    width = info.width
    for row in rows:
        if len(row) != width:
            raise wrong_width(rows, info)
    return rows


def text_rows(body: bytes, _info: ModelInfo, most: int) -> list[str]:
    """Return 1 to `most` strings. Raises RequestRefused."""
    try:
        rows = _TEXTS.decode(body).data
    except UNREADABLE as error:
        raise unreadable(error) from None
    if not 0 < len(rows) <= most:
        raise wrong_count(len(rows), most)
    return rows


def checked_rows(data: msgspec.Raw, info: ModelInfo, most: int) -> list[Any]:
    """Return the rows of a job's or a feedback's "data", checked as for a prediction. Raises RequestRefused."""
    body = b'{"data":' + bytes(data) + b"}"
    return text_rows(body, info, most) if info.kind == "text" else number_rows(body, info, most)


def wrong_count(rows: int, most: int) -> RequestRefused:
    wanted = f"give at most {most}" if rows else "give at least one"
    return RequestRefused("wrong-shape", f"data has {rows} rows; {wanted}")


def wrong_width(rows: list[list[float]], info: ModelInfo) -> RequestRefused:
    index, row = next((i, row) for i, row in enumerate(rows) if len(row) != info.width)
    return RequestRefused(
        "wrong-shape",
        f"row {index} has {len(row)} numbers; {info.name} takes {info.width} - at `$.data[{index}]`",
    )
