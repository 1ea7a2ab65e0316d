"""Whether this process wants requests."""

from app.core.ports import AnswerCache


class ReadinessState:
    """Ready from the start (models are loaded by then) until the drain begins."""

    def __init__(self, shared_cache: AnswerCache | None) -> None:
        self._shared_cache = shared_cache
        self.ready = True
        self.reason = ""

    def lower(self, reason: str) -> None:
        """Ask load balancers for no more requests."""
        self.ready = False
        self.reason = reason

    def dependencies(self) -> dict[str, str]:
        """Return how each dependency is: "ok", "down" or "not configured"."""
        if self._shared_cache is None:
            return {"models": "ok", "redis": "not configured"}
        return {"models": "ok", "redis": "ok" if self._shared_cache.well else "down"}
