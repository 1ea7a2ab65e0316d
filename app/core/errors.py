"""What can go wrong, as facts; the edges decide what a user is told."""


class ArtefactChanged(Exception):
    """A file in the models folder is not the one the manifest promises; the message names the file."""


class ForestChanged(ArtefactChanged):
    """The forest fitted at start answers differently from the one its card describes."""


class UnusableInput(Exception):
    """A row is well-formed, but no finite answer exists for it."""


class RequestRefused(Exception):
    """A request is not answered; `kind` is a key of the error table, `detail` says what was seen and what is wanted."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail


class Shed(RequestRefused):
    """The service protects itself: come back in `retry_after` seconds."""

    def __init__(self, reason: str, detail: str, retry_after: int = 1) -> None:
        super().__init__("overloaded", detail)
        self.reason = reason
        self.retry_after = retry_after


class UnknownModel(Exception):
    """No model, or no version of it, has this name."""


class WrongCanary(Exception):
    """A canary rule names an unknown model or version, or a weight outside 0 to 100."""
