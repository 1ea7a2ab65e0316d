"""Log records and traces on the terminal."""

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from labkit.logs.store import LogRecord
from labkit.logs.trace import Step, Trace
from labkit.logs.when import clock

LEVELS = {0: "red", 1: "red", 2: "red", 3: "red", 4: "yellow", 7: "dim"}
# What the message or the line says already.
SAID = frozenset(("full_message", "replica_url", "origin_duration_us", "topic", "partition", "offset"))
PARTS = {"edge": "magenta", "api": "cyan", "kafka": "yellow", "worker": "green", "log": "white"}


def console() -> Console:
    """Return a console that wraps nothing: a line is copied, or read by a program, as a whole."""
    return Console(highlight=False, soft_wrap=True, markup=False, emoji=False)


def print_record(record: LogRecord, out: Console) -> None:
    """Print one record in one line; a traceback in lines of its own below it."""
    line = Text(clock(record.time), "dim")
    line.append(f" {visible(record.host):9}", "cyan").append(
        f" {visible(record.message)}", LEVELS.get(record.level, "")
    )
    facts = []
    if record.duration_us is not None:
        facts.append(duration(record.duration_us))
    if record.model and record.model not in record.message:
        facts.append(record.model)
    facts += [f"{name}={value}" for name, value in record.fields.items() if _tells(name, value, record.message)]
    if record.request_id:
        facts.append(record.request_id)
    line.append("  " + visible("  ".join(map(str, facts))), "dim")
    out.print(line)
    for traced in str(record.fields.get("full_message") or "").splitlines():
        out.print(Text(f"    {visible(traced)}", "dim"))


def _tells(name: str, value: Any, message: str) -> bool:
    return name not in SAID and value not in ("", None) and not (isinstance(value, str) and value in message)


def print_json(record: LogRecord) -> None:
    print(json.dumps(record.to_dict(), ensure_ascii=False), flush=True)


def print_trace(found: Trace, out: Console) -> None:
    """Print a request's time line: offset from its first step, who, what, how long, and what is known of it."""
    out.print(
        Text(f"request {visible(found.request_id)}", "bold").append(f"  from {clock(found.began)}", "not bold dim")
    )
    width = max(len(visible(step.who)) for step in found.steps)
    for step in found.steps:
        out.print(_step(step, found, width))
    out.print(Text(f"{found.took_ms:9.1f} ms  in all", "bold"))
    for note in found.notes:
        out.print(Text(note, "yellow"))


def _step(step: Step, found: Trace, width: int) -> Text:
    line = Text(f"{step.offset_ms:+9.1f} ms  ", "dim")
    line.append(f"{visible(step.who):{width}}  ", PARTS.get(step.part, ""))
    took = "" if step.took_ms is None else milliseconds(step.took_ms)
    line.append(f"{took:>9}  ").append(visible(step.what), "red" if step.bad else "")
    if found.took_ms and step.took_ms is not None:
        # Where in the whole the step lies, as a bar of twenty signs.
        first = min(19, int(20 * step.offset_ms / found.took_ms))
        length = max(1, min(20 - first, round(20 * step.took_ms / found.took_ms)))
        line.append(f"  {'·' * first}{'━' * length}{'·' * (20 - first - length)}", "dim")
    facts = [f"{name}={value}" for name, value in step.facts.items() if value not in ("", None)]
    return line.append(visible("  " + "  ".join(facts)), "dim") if facts else line


def duration(microseconds: float) -> str:
    return milliseconds(microseconds / 1000)


def milliseconds(value: float) -> str:
    """0.843 -> 0.84 ms, 12.34 -> 12.3 ms, 12345 -> 12.3 s."""
    if value >= 10_000:
        return f"{value / 1000:.1f} s"
    return f"{value:.2f} ms" if value < 10 else f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def visible(text: str) -> str:
    r"""Return text in one line in which nothing can steer the terminal: control characters are written as \xNN."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def print_facts(facts: Any) -> None:
    print(json.dumps(facts, indent=2, ensure_ascii=False))


def print_records(records: Iterable[LogRecord], *, as_json: bool) -> None:
    out = console()
    for record in records:
        print_json(record) if as_json else print_record(record, out)
