"""What the API's answers say: time spent where, problems, jobs, as data frames."""

from collections.abc import Iterable, Mapping, Sequence

import httpx
import pandas as pd


def server_timing(header: str) -> dict[str, float]:
    """Return milliseconds by name of a Server-Timing header (W3C, "Server Timing"); parts without dur are left out."""
    found = {}
    for part in header.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        for parameter in parameters:
            what, _, value = parameter.partition("=")
            if what.strip().lower() == "dur" and name:
                found[name] = float(value.strip().strip('"'))
    return found


def models_table(answer: httpx.Response) -> pd.DataFrame:
    """Return one row a model: version, kind, and what it takes."""
    rows = pd.DataFrame(answer.json()["models"]).set_index("name")
    shown = [name for name in ("version", "kind", "input_shape", "labels") if name in rows.columns]
    return rows[shown]


def timings(answers: Iterable[httpx.Response]) -> pd.DataFrame:
    """Return one row an answer, in milliseconds: whole (client), service (Server-Timing `app`), way (the rest)."""
    rows = []
    for answer in answers:
        whole = answer.elapsed.total_seconds() * 1000
        inside = server_timing(answer.headers.get("server-timing", "")).get("app", float("nan"))
        rows.append((whole, inside, whole - inside))
    return pd.DataFrame(rows, columns=["whole", "service", "way"])


def by_rows(answers: Mapping[int, Sequence[httpx.Response]]) -> pd.DataFrame:
    """Return for each number of rows in a request the median ms of the service: a request, and a row of it."""
    medians = {rows: float(timings(several)["service"].median()) for rows, several in answers.items()}
    frame = pd.DataFrame({"a request": medians, "a row": {rows: ms / rows for rows, ms in medians.items()}})
    return frame.rename_axis("rows")


def problems(answers: Mapping[str, httpx.Response]) -> pd.DataFrame:
    """Return what each refused request was told: status, media type, and the problem's type, title and detail."""
    rows = {}
    for name, answer in answers.items():
        kind = answer.headers.get("content-type", "").partition(";")[0]
        body = answer.json() if kind == "application/problem+json" else {}
        told = {field: body.get(field, "") for field in ("type", "title", "detail")}
        rows[name] = {"status": answer.status_code, "content type": kind, **told}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("request")


def job_steps(answers: Sequence[httpx.Response]) -> pd.DataFrame:
    """Return one row for the ticket and each question after it: HTTP status, the job's status, its result."""
    rows = [(one.status_code, one.json().get("status", ""), one.json().get("result")) for one in answers]
    names = ["ticket", *(f"question {n}" for n in range(1, len(rows)))]
    return pd.DataFrame(rows, columns=["HTTP", "job", "result"], index=names)


def answer(times: pd.DataFrame, rows: pd.DataFrame, refused: pd.DataFrame, job: pd.DataFrame) -> str:
    """Return the notebook's answer in words."""
    middle = times.median()
    most, one = rows["a row"].iloc[-1], rows["a row"].iloc[0]
    words = "all" if (refused["content type"] == "application/problem+json").all() else "not all"
    return (
        f"One prediction takes {middle['whole']:.2f} ms (median); {middle['service']:.2f} ms of it inside the service, "
        f"{middle['way']:.2f} ms on the way there and back.\n"
        f"A row costs {one * 1000:.0f} µs alone and {most * 1000:.1f} µs in a request of {rows.index[-1]} rows: "
        f"{one / most:.0f} times less.\n"
        f"{len(refused)} wrong requests: {words} were refused as problem+json, "
        f"with statuses {', '.join(str(status) for status in sorted(refused['status'].unique()))}.\n"
        f"The job was {job['job'].iloc[-1]} after {len(job) - 1} questions, with the result {job['result'].iloc[-1]}."
    )
