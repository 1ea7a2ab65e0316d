"""The lag of groups, again and again."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from labkit.errors import CannotRun
from labkit.kafka.facts import Lag
from labkit.kafka.tables import lag_table

REFRESH = 1.0


def again_and_again(look: Callable[[], tuple[Lag, ...]]) -> Iterator[tuple[tuple[Lag, ...], str]]:
    """Yield the lag once a second for ever, with what is in the way of a fresh one ("" when nothing is).

    A Kafka that is away is what people watch for: then the last lag stays. Only the first look may raise.
    """
    rows, trouble = look(), ""
    while True:
        yield rows, trouble
        time.sleep(REFRESH)
        try:
            rows, trouble = look(), ""
        except CannotRun as error:
            trouble = str(error)


def watch_table(look: Callable[[], tuple[Lag, ...]], out: Console) -> None:
    """Show the lag until Ctrl-C: on a terminal in place, else one table after the other."""
    live = Live(console=out, auto_refresh=False) if out.is_terminal else None
    with live or nullcontext():
        for rows, trouble in again_and_again(look):
            shown = Group(lag_table(rows), Text(trouble, style="red")) if trouble else lag_table(rows)
            if live:
                live.update(shown, refresh=True)
            else:
                out.print(shown)
