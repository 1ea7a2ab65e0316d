"""What can go wrong, as facts; the edges decide what a user is told."""


class ArtefactChanged(Exception):
    """A file in the models folder is not the one the manifest promises; the message names the file."""


class ForestChanged(ArtefactChanged):
    """The forest fitted at start answers differently from the one its card describes."""


class UnusableInput(Exception):
    """A row is well-formed, but no finite answer exists for it."""


class RequestRefused(Exception):
    """A request is not answered; `kind` is a key of the error table, `detail` says what was seen and what is wanted.

    `retry_after`: seconds until it is worth another try, 0 when it is not.
    """

    def __init__(self, kind: str, detail: str, retry_after: int = 0) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after


class Shed(RequestRefused):
    """The service protects itself: come back in `retry_after` seconds."""

    def __init__(self, reason: str, detail: str, retry_after: int = 1) -> None:
        super().__init__("overloaded", detail, retry_after)
        self.reason = reason


class Away(Exception):
    """Something that the work needs does not answer at this time: worth another try."""


class QueueAway(Away):
    """Kafka did not acknowledge a message in time: it may or may not have it."""


class StoreAway(Away):
    """The store of jobs (Redis) did not answer in time, or has no room."""


class TableAway(Away):
    """The table of feedback (SQL) did not answer in time, or is locked."""


class LogsAway(Away):
    """The store of logs cannot be written to at this time: it does not answer, or has no room."""


class UnknownModel(Exception):
    """No model, or no version of it, has this name."""


class WrongCanary(Exception):
    """A canary rule names an unknown model or version, or a weight outside 0 to 100."""


class WrongRoutes(Exception):
    """The routes file cannot be applied: it is not readable as one, or names what is not there."""
