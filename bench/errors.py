"""What the bench says when it cannot measure."""


class CannotMeasure(Exception):
    """The bench cannot run: the text is one line with the thing, the value seen and the next step (exit code 2)."""
