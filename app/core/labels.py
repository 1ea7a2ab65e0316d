"""What a label may be for each kind of model, and whether a prediction agrees with it."""

import math
from typing import Any, Final, Literal

from app.core.errors import RequestRefused
from app.core.feedback import Label
from app.core.model import ModelInfo

REGRESSION_TOLERANCE: Final = 0.1
"""A regressor's prediction agrees with a label when it is within this share of it."""


def checked_label(label: Label, info: ModelInfo) -> Label:
    """Return the label as the model itself would have answered it: index, label name or number.

    A classifier's label is the index of a class or its name, a text model's the name, a regressor's a finite number.
    Raises RequestRefused.
    """
    match info.kind:
        case "regressor":
            return _number(label, info)
        case "text":
            if label in info.labels:
                return label
        case _:
            if isinstance(label, str) and label in info.labels:
                return info.labels.index(label)
            if isinstance(label, int) and 0 <= label < len(info.labels):
                return label
    names = ", ".join(info.labels)
    wanted = names if info.kind == "text" else f"0 to {len(info.labels) - 1}, or one of {names}"
    raise _refused(label, info, wanted)


def verdict(predicted: Any, label: Label, info: ModelInfo) -> Literal["agree", "disagree"]:
    """Say whether a prediction was right: equal, or for a regressor within 10 % of the label."""
    if info.kind == "regressor" and isinstance(predicted, int | float) and isinstance(label, int | float):
        right = abs(predicted - label) <= REGRESSION_TOLERANCE * abs(label)
    else:
        right = predicted == label
    return "agree" if right else "disagree"


def _number(label: Label, info: ModelInfo) -> float:
    try:
        number = float(label) if isinstance(label, int | float) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _refused(label, info, "a finite number")
    return number


def _refused(label: Label, info: ModelInfo, wanted: str) -> RequestRefused:
    # A whole number may have thousands of digits, of which nobody wants to read more than these.
    seen = repr(label) if isinstance(label, str | float) or abs(label) < 10**18 else "a huge whole number"
    return RequestRefused("wrong-shape", f"label {seen[:80]}: {info.name} has {wanted} - at `$.label`")
