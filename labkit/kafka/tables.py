"""Topics, groups, lag and messages on the terminal."""

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labkit.kafka.facts import Group, Lag, Partition, Topic
from labkit.kafka.messages import Message

WIDE = 100
NOTHING = "-"


def console() -> Console:
    """Return a console that wraps nothing where nobody sees it: a file or a pipe gets whole lines."""
    found = Console(highlight=False, soft_wrap=True)
    return found if found.is_terminal else Console(highlight=False, soft_wrap=True, width=200)


def topics_table(found: Iterable[Topic]) -> Table:
    table = _table("topic", right=("partition", "leader"))
    for title in ("replicas", "in sync"):
        table.add_column(title)
    for title in ("begin", "end", "messages"):
        table.add_column(title, justify="right")
    for topic in found:
        for part in topic.partitions:
            first = part is topic.partitions[0]
            table.add_row(
                escape(topic.name) if first else "",
                str(part.number),
                "[red]none[/]" if part.leader is None else str(part.leader),
                numbers(part.replicas),
                in_sync(part),
                *(shown(value) for value in (part.begin, part.end, part.messages)),
            )
    return table


def in_sync(part: Partition) -> str:
    """Return the replicas that have all of it, in red when some do not."""
    text = numbers(part.in_sync)
    return text if len(part.in_sync) == len(part.replicas) else f"[red]{text or 'none'}[/]"


def groups_table(found: Iterable[Group]) -> Table:
    table = _table("group", "state", "assignor", "client", "host", "reads")
    for group in found:
        colour = "green" if group.state == "Stable" else "yellow"
        head = (escape(group.name), f"[{colour}]{escape(group.state)}[/]", escape(group.assignor))
        rows = [(escape(one.client), one.host, escape(reads(one.assigned))) for one in group.members]
        for number, row in enumerate(rows or [("no member", "", "")]):
            table.add_row(*(head if number == 0 else ("", "", "")), *row)
    return table


def reads(assigned: dict[str, tuple[int, ...]]) -> str:
    """Return what a member reads: jobs 0,1  feedback 2."""
    return "  ".join(f"{topic} {numbers(parts)}" for topic, parts in assigned.items()) or "nothing"


def lag_table(rows: Iterable[Lag]) -> Table:
    table = _table("group", "topic", right=("partition", "committed", "end", "lag"))
    table.add_column("read by")
    total = 0
    for row in rows:
        total += row.lag or 0
        colour = "green" if row.lag == 0 else "yellow"
        table.add_row(
            escape(row.group),
            escape(row.topic),
            str(row.partition),
            shown(row.committed),
            shown(row.end),
            f"[{colour}]{shown(row.lag)}[/]",
            escape(row.client or "nobody"),
        )
    table.add_row("[bold]all[/]", "", "", "", "", f"[bold]{shown(total)}[/]", "")
    return table


def print_message(one: Message, out: Console) -> None:
    """Print where and when, the key, the headers and the value; JSON in one line when it fits."""
    key = "no key" if one.key is None else f"key {visible(one.key)}"
    out.print(
        f"[bold]{escape(one.topic)}[/] {one.partition} @ {one.offset}  [dim]{one.time}[/]  {escape(key)}",
        soft_wrap=True,
    )
    for name, value in one.headers:
        out.print(f"  [dim]{escape(visible(name))}:[/] {escape(visible(value))}", soft_wrap=True)
    for line in pretty(one.value).splitlines():
        out.print(f"  {escape(line)}", soft_wrap=True)


def pretty(value: Any) -> str:
    """Return a value for people: text as it is, JSON compact when it fits into a line, else one field a line."""
    if value is None:
        return "(no value: a tombstone)"
    if isinstance(value, str):
        return visible(value)
    line = json.dumps(value, ensure_ascii=False)
    if len(line) <= WIDE or not isinstance(value, dict):
        return visible(line)
    fields = (
        f"  {json.dumps(name, ensure_ascii=False)}: {json.dumps(part, ensure_ascii=False)}"
        for name, part in value.items()
    )
    return visible("{\n" + ",\n".join(fields) + "\n}")


def visible(text: str) -> str:
    r"""Return text in which nothing can steer the terminal: control characters are written as \xNN."""
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode("ascii") for one in text
    )


def numbers(values: Iterable[int]) -> str:
    return ",".join(map(str, values))


def shown(value: int | None) -> str:
    """13500 -> 13,500."""
    return NOTHING if value is None else f"{value:,}"


def _table(*left: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(*left, box=None, pad_edge=False, header_style="bold")
    for title in right:
        table.add_column(title, justify="right")
    return table
