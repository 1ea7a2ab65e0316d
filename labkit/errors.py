"""What the lab command says when it cannot do what was asked."""


class CannotRun(Exception):
    """The command cannot run: the text is one line with the thing, the value seen and the next step (exit code 2)."""
