"""Numbers as people read them, the same on the page and on the terminal."""

from datetime import datetime

NARROW = "\u202f"  # a narrow space that does not break, between thousands
NOTHING = "–"


def count(value: float | None) -> str:
    """13500 -> 13 500."""
    return NOTHING if value is None else f"{value:,.0f}".replace(",", NARROW)


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits, never an exponent: 0.843, 3.42, 12.3, 1 234."""
    if value is None:
        return NOTHING
    size = abs(value)
    if size >= 10 ** (digits - 1) or size == 0:
        return f"{value:,.0f}".replace(",", NARROW)
    decimals, scale = 0, 10.0 ** (digits - 1)
    while size < scale and decimals < digits + 1:
        scale /= 10
        decimals += 1
    return f"{value:.{decimals}f}"


def signed(value: float, digits: int = 3) -> str:
    return ("+" if value > 0 else "−" if value < 0 else "") + number(abs(value), digits)


def change(value: int) -> str:
    """A difference of two counts."""
    return ("+" if value > 0 else "−" if value < 0 else "") + count(abs(value))


def percent(ratio: float | None) -> str:
    """0.99875 -> 99.88 %; small ratios keep two digits that say something."""
    if ratio is None:
        return NOTHING
    value = 100 * ratio
    if value in (0, 100):
        return f"{value:.0f} %"
    shown = f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
    return "99.99 % (not all)" if shown == "100.00" else f"{shown} %"


def quantity(value: float | None, unit: str) -> str:
    """A number with the unit of an objective."""
    if value is None:
        return NOTHING
    return percent(value / 100) if unit == "%" else f"{number(value)} {unit}"


def limit(value: float, unit: str) -> str:
    """A limit as its author wrote it: no digits that were never meant."""
    return f"{value:,.10g}".replace(",", NARROW) + f" {unit}"


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{number(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def moment(epoch: float) -> str:
    """Local time with its offset."""
    return datetime.fromtimestamp(epoch).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
