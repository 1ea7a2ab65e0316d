"""What the bench tells: a table on the terminal, and the same as JSON and Markdown in a folder."""

import json
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import logs, outage
from bench.bars import Verdict, verdicts
from bench.contenders import GROUPS
from bench.queues import QUEUES
from bench.rounds import Plan, Sample

FULL_PERCENT = 80.0
"""More than this of a core used by the client of the queues, and it is its speed that was measured."""
QUIET_PERCENT = 5.0
"""More than this of the two cores used by others, and the absolute figures are those of a busy machine."""
_PACKAGES = ("uvicorn", "uvloop", "httptools", "fastapi", "pydantic", "scikit-learn", "numpy", "msgspec", "celery",
             "kafka-python")  # fmt: skip
_WHAT = (
    {one.name: one.what for group in GROUPS.values() for one in group}
    | {name: what for one in QUEUES for name, what in one.told.items()}
    | logs.TOLD
    | outage.TOLD
)
_FLOODED = frozenset(one.name for one in QUEUES)
COLUMNS = ("who", "rate/s", "min-max", "p50 ms", "p99 ms", "CPU µs", "CPU %", "MB")
BAR_COLUMNS = ("bar", "wanted", "median", "min-max", "by CPU", "verdict")


def facts(samples: Sequence[Sample], plan: Plan) -> dict[str, Any]:
    """Return everything measured and judged, for JSON."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": {"processor": _processor(), "system": platform.platform(), "python": platform.python_version()},
        "packages": {name: version(name) for name in _PACKAGES},
        "plan": asdict(plan),
        "strangers_percent": _strangers(samples),
        "bars": [
            {
                "name": one.bar.name,
                "at_least" if one.bar.at_least else "at_most": one.bar.limit,
                "median": one.median,
                "ratios": list(one.ratios),
                "by_cpu": one.by_cpu,
                "held": one.held,
            }
            for one in verdicts(samples)
        ],
        "samples": [asdict(sample) | {"rate": sample.answers.rate, "valid": sample.valid} for sample in samples],
    }


def rows(samples: Sequence[Sample]) -> list[tuple[str, ...]]:
    """Return the table of contenders: medians over the valid rounds, the range of the rate beside it."""
    table = []
    for name in dict.fromkeys(sample.contender for sample in samples):
        valid = [sample for sample in samples if sample.contender == name and sample.valid]
        if not valid:
            table.append((name, "no valid round", *[""] * (len(COLUMNS) - 2)))
            continue
        rates = [sample.answers.rate for sample in valid]
        table.append(
            (
                name,
                f"{median(rates):,.0f}",
                f"{min(rates):,.0f}-{max(rates):,.0f}",
                _milliseconds(sample.answers.p50_us for sample in valid),
                _milliseconds(sample.answers.p99_us for sample in valid),
                _or_dash(median(sample.cpu_us for sample in valid), "{:,.1f}"),
                f"{median(sample.server_percent for sample in valid):.0f}",
                f"{max(sample.rss_bytes for sample in valid) / 1e6:.0f}",
            )
        )
    return table


def _milliseconds(micros: Iterable[int]) -> str:
    """Return their median; a flood has no latency, only a backlog."""
    return _or_dash(median(micros) / 1000, "{:.2f}")


def _or_dash(value: float, shape: str) -> str:
    """Return a figure; 0 stands for what was not measured."""
    return shape.format(value) if value else "-"


def bar_rows(judged: Sequence[Verdict]) -> list[tuple[str, ...]]:
    return [
        (
            one.bar.name,
            one.bar.wanted,
            "-" if one.median is None else f"{one.median:.2f}",
            f"{min(one.ratios):.2f}-{max(one.ratios):.2f}" if one.ratios else "-",
            "-" if one.by_cpu is None else f"{one.by_cpu:.2f}",
            "held" if one.held else "MISSED",
        )
        for one in judged
    ]


def notes(samples: Sequence[Sample]) -> list[str]:
    """Return what a reader must know to understand the figures, and to trust them or not."""
    said = [f"{name}: {_WHAT[name]}" for name in dict.fromkeys(sample.contender for sample in samples)]
    said.append("CPU µs: processor time of the server per request")
    said.append("by CPU: a bar's ratio from those, which a busy machine disturbs least")
    invalid = sum(not sample.valid for sample in samples)
    if invalid:
        said.append(f"{invalid} of {len(samples)} samples had refused or broken requests; their rounds do not count")
    said += _clients(samples)
    strangers = _strangers(samples)
    if strangers > QUIET_PERCENT:
        said.append(
            f"others used {strangers:.0f} % of the two cores: read the ratios and the CPU per request, not the rates"
        )
    return said


def _clients(samples: Sequence[Sample]) -> list[str]:
    """Return what the client of the flooded queues used, and whether that was the limit."""
    said = []
    for name in dict.fromkeys(one.contender for one in samples if one.contender in _FLOODED):
        used = median(one.load_percent for one in samples if one.contender == name)
        limit = "; it was the limit: the queue can do more" if used > FULL_PERCENT else ""
        said.append(f"{name}: its client used {used:.0f} % of a core{limit}")
    return said


def show(console: Console, samples: Sequence[Sample], plan: Plan) -> None:
    console.print(_table(COLUMNS, rows(samples), "Medians of " + _conditions(plan)))
    console.print(_table(BAR_COLUMNS, bar_rows(verdicts(samples)), "Ratios within a round"))
    for note in notes(samples):
        console.print(f"- {note}", highlight=False)


def write(folder: Path, samples: Sequence[Sample], plan: Plan) -> Path:
    """Write <time>.json and <time>.md; return the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = time.strftime("%Y%m%d-%H%M%S")
    (folder / f"{stem}.json").write_text(json.dumps(facts(samples, plan), indent=2) + "\n")
    page = folder / f"{stem}.md"
    page.write_text(markdown(samples, plan))
    return page


def markdown(samples: Sequence[Sample], plan: Plan) -> str:
    parts = [
        f"# Bench: medians of {_conditions(plan)}",
        f"{_processor()}, Python {platform.python_version()}, one core for the server and one for wrk; "
        "a queue and its client share both.",
        _markdown_table(COLUMNS, rows(samples)),
        _markdown_table(BAR_COLUMNS, bar_rows(verdicts(samples))),
        "\n".join(f"- {note}" for note in notes(samples)),
    ]
    return "\n\n".join(parts) + "\n"


def _conditions(plan: Plan) -> str:
    return f"{plan.rounds} rounds, {plan.seconds} s each, {plan.connections} connections"


def _strangers(samples: Sequence[Sample]) -> float:
    return median(sample.strangers_percent for sample in samples)


def _table(columns: Sequence[str], body: Sequence[Sequence[str]], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=column == COLUMNS[0])
    for row in body:
        colour = {"held": "green", "MISSED": "red"}.get(row[-1])
        table.add_row(*row, style=colour)
    return table


def _markdown_table(columns: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
