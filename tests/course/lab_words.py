"""`lab …` as texts print it, held against the command itself."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from typer.main import get_command

from labkit.cli import app
from tests.course.text import prose

INLINE = re.compile(r"`([^`\n]+)`")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
CALL = re.compile(r"(?:^|[;&|(]\s*|\$\(|\b(?:then|do|else|if|time) )\s*(?:[A-Z_]+=\S*\s+)*lab (.+?)(?=$|[;&|)<>])")
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def unknown_words(text: str) -> Iterator[str]:
    """Yield each command and option of `lab` that a text prints, in its sh blocks or inline, and that there is not."""
    lines = [line for block in SHELL.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for line in (*lines, *INLINE.findall(prose(text))):
        for words in CALL.findall(QUOTED.sub("WORD", line.partition(" #")[0])):
            if wrong := _wrong(words.split()):
                yield f"`lab {words.strip()}`: {wrong}"


def _wrong(words: list[str]) -> str:
    command = _lab()
    context = command.context_class(command, info_name="lab")
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        try:
            name, command, words = command.resolve_command(context, words)
        except Exception:  # the usage error of the library that typer brings with it
            return f"there is no command {words[0]!r}"
        context = command.context_class(command, info_name=name, parent=context)
    known = {option for parameter in command.get_params(context) for option in parameter.opts} | {
        option for parameter in command.get_params(context) for option in parameter.secondary_opts
    }
    options = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return next((f"there is no option {option}" for option in options if option not in known), "")


@cache
def _lab() -> Any:
    return get_command(app)
