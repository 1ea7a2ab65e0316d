"""Log records as data frames: counts by status, over time, the slowest, one request step by step."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from labkit.logs.store import LogRecord
from labkit.logs.trace import Trace

COLUMNS = ("time", "host", "method", "route", "status", "duration_ms", "model", "request_id")
REQUESTS = "event:request AND NOT route:/readyz AND NOT route:/healthz AND NOT route:/metrics"
"""What the service answered, without the questions of those who only look whether it is there."""
BAD = 400
LIMIT = 10
"""Answers of 400 and above in a minute that the course's alert takes."""


def counts(found: Mapping[tuple[str, ...], int], *names: str) -> pd.DataFrame:
    """Return what `count_by` counted as one column `records`, its index the fields in `names`."""
    rows = [(*key, n) for key, n in found.items()]
    frame = pd.DataFrame(rows, columns=[*names, "records"])
    return frame.sort_values(list(names)).set_index(list(names))


def crossed(found: Mapping[tuple[str, ...], int], rows: str, columns: str) -> pd.DataFrame:
    """Return counts by two fields, the first as rows, the second as columns; what was not found is 0."""
    frame = counts(found, rows, columns)["records"].unstack(fill_value=0)
    return pd.DataFrame(frame)


def over_time(histogram: Mapping[str, Sequence[tuple[float, int]]], start: float) -> pd.DataFrame:
    """Return a store's histogram: index in seconds since `start`, a column for each group."""
    columns = {name or "all": {t - start: n for t, n in steps} for name, steps in histogram.items()}
    return pd.DataFrame(columns).rename_axis("second").sort_index()


def bad_in_a_minute(seconds: pd.DataFrame) -> pd.Series:
    """Return for each step the answers of 400 and above in the 60 s up to its end; columns are statuses."""
    bad = [name for name in seconds.columns if str(name).isdigit() and int(name) >= BAD]
    step = float(seconds.index[1] - seconds.index[0]) if len(seconds) > 1 else 60.0
    summed = seconds[bad].sum(axis=1)
    return summed.rolling(max(1, round(60 / step)), min_periods=1).sum().rename("answers of 400 and above")


def frame(records: Iterable[LogRecord]) -> pd.DataFrame:
    """Return one row a record; `duration_ms` in milliseconds, `time` in epoch seconds."""
    rows = [
        (
            record.time,
            record.host,
            record.method,
            record.route,
            record.status,
            None if record.duration_us is None else record.duration_us / 1000,
            record.model,
            record.request_id,
        )
        for record in records
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def slowest(records: pd.DataFrame, count: int = 10) -> pd.DataFrame:
    """Return the records that took longest, the slowest first."""
    return records.sort_values("duration_ms", ascending=False).head(count).reset_index(drop=True)


def to_follow(records: pd.DataFrame) -> str:
    """Return the request id of the slowest job that was handed in, of the slowest request when there was none."""
    jobs = records[(records["route"] == "/jobs") & (records["status"] == 202)]
    return str(slowest(jobs if len(jobs) else records, 1)["request_id"].iloc[0])


def trace_table(trace: Trace | None) -> pd.DataFrame:
    """Return one row a step: who did what, from when on and for how long, in ms since the first step began.

    Raises ValueError when there is no trace.
    """
    if trace is None:
        raise ValueError("the store has no record of that request any more; next: lab load smoke, and run it again")
    rows = [(step.part, step.what, step.offset_ms, step.took_ms or 0.0) for step in trace.steps]
    table = pd.DataFrame(rows, columns=["part", "what", "from_ms", "took_ms"])
    table["what"] = table["part"] + ": " + table["what"]
    return table


def answer(by_status: pd.DataFrame, minute: pd.Series, slow: pd.DataFrame, steps: pd.DataFrame) -> str:
    """Return the notebook's answer in words."""
    numbers = {int(str(status)): int(n) for status, n in by_status["records"].items() if str(status).isdigit()}
    total, bad = sum(numbers.values()), sum(n for status, n in numbers.items() if status >= BAD)
    worst = float(minute.max()) if len(minute) else 0.0
    verdict = "over" if worst > LIMIT else "within"
    first = slow.iloc[0]
    parts = ", ".join(dict.fromkeys(steps["part"]))
    return (
        f"{bad} of {total:,} requests were answered with 400 or above ({100 * bad / max(total, 1):.1f} %).\n"
        f"At worst {worst:.0f} of them came in one minute: {verdict} the alert's limit of {LIMIT}.\n"
        f"The slowest was {first['method']} {first['route']} with {first['duration_ms']:.1f} ms.\n"
        f"The request that was followed went through {parts}, in {(steps['from_ms'] + steps['took_ms']).max():.1f} ms."
    )
