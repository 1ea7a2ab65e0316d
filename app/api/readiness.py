"""Whether this process wants requests."""

from app.core.ports import AnswerCache, JobStore, MessageLog


class ReadinessState:
    """Ready from the start (models are loaded by then) until the drain begins."""

    def __init__(
        self,
        shared_cache: AnswerCache | None,
        message_log: MessageLog | None = None,
        job_store: JobStore | None = None,
    ) -> None:
        self._watched = {"redis": shared_cache, "kafka": message_log, "store": job_store}
        self.ready = True
        self.reason = ""

    def lower(self, reason: str) -> None:
        """Ask load balancers for no more requests."""
        self.ready = False
        self.reason = reason

    def dependencies(self) -> dict[str, str]:
        """Return how each dependency is: "ok", "down" or "not configured".

        None of them makes the process unready: predictions need none.
        """
        states = {
            name: "not configured" if one is None else "ok" if one.well else "down"
            for name, one in self._watched.items()
        }
        return {"models": "ok"} | states
