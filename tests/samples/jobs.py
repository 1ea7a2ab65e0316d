"""Jobs added to a sample run: every count agrees with every other one, until a test changes some."""

import json
from pathlib import Path
from typing import Any

from labkit.loadgen import histograms
from tests.samples.runs import METRICS, STARTED

WORKER = "http://127.0.0.1:18121/metrics"
PARTS = ("0", "1", "2")


def add_jobs(run: Path, count: int = 90, *, unanswered: int = 0, earlier: int = 300) -> Path:
    """Let a run have handed in `count` jobs, of which the last `unanswered` got no answer; return the run.

    `earlier` jobs of before the run are in the log, in the replicas' counters and in the workers'.
    """
    requests = json.loads((run / "requests.json").read_text())
    times = histograms.empty()
    histograms.record(times, [40_000 + 500 * n for n in range(count)])
    both = {"service_time": histograms.encoded(times), "response_time": histograms.encoded(times)}
    done = count - unanswered
    errors = [{"kind": "no answer", "count": unanswered, "example": "some-job: none"}] if unanswered else []
    statuses = {"done": done, **({"unanswered": unanswered} if unanswered else {})}
    requests["entries"] += [
        {"method": "JOB", "name": "job", "sent": count, "ok": done, "failed": unanswered, "statuses": statuses,
         "errors": errors, **both},
        {"method": "POST", "name": "/jobs", "sent": count, "ok": count, "failed": 0, "statuses": {"202": count},
         "errors": [], **both},
    ]  # fmt: skip
    _write(run / "requests.json", requests)
    counters = json.loads((run / "counters.json").read_text())
    for side, more in (("before", 0), ("after", count)):
        samples = counters[side][METRICS[0]]["samples"]
        labels = {"method": "POST", "route": "/jobs", "status": "202"}
        samples.append({"name": "http_requests_total", "labels": labels, "value": float(earlier + more)})
        samples.append({"name": "jobs_submitted_total", "labels": {"model": "iris"}, "value": float(earlier + more)})
    _write(run / "counters.json", counters)
    _write(run / "queue.json", {"before": _queue(earlier, 0), "after": _queue(earlier, count)})
    lines = [json.loads(line) for line in (run / "timeline.jsonl").read_text().splitlines()]
    lines[1] |= {"jobs_accepted": count}
    lines[2] |= {"jobs_answered": done, "follow_ups": 2 * count}
    (run / "timeline.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def _queue(earlier: int, count: int) -> dict[str, Any]:
    ends = dict.fromkeys(PARTS, (earlier + count) // 3)
    outcomes = {"done": earlier + count, "duplicate": 5}
    samples = [
        {"name": "jobs_finished_total", "labels": {"model": "iris", "outcome": name}, "value": float(n)}
        for name, n in outcomes.items()
    ]
    samples.append({"name": "process_start_time_seconds", "labels": {}, "value": STARTED - 50})
    workers = {WORKER: {"t": STARTED, "samples": samples}}
    return {"t": STARTED, "ends": {"jobs": ends}, "committed": dict(ends), "error": None, "workers": workers}


def _write(path: Path, facts: Any) -> None:
    path.write_text(json.dumps(facts))
