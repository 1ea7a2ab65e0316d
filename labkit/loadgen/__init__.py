"""Load with an intended start for every request: users, schedules, exact records, and runs driven from outside."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.loadgen.driver import drive

__all__ = ["drive"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: locust imports this package too, and needs nothing of what drives it.
    if name == "drive":
        from labkit.loadgen.driver import drive

        return drive
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
