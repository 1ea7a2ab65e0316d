"""The jobs line: accepted = produced = consumed = answered, and what the run's data says where it is not."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from labkit.loadgen.queue import DEAD_LETTERS, JOBS
from labkit.loadgen.recorder import DONE, FAILED, UNANSWERED
from labkit.report import words
from labkit.report.drops import drops
from labkit.report.growth import grown
from labkit.report.latency import Percentiles, merged
from labkit.report.run_folder import Logs, Offsets, Run

DUPLICATE = "duplicate"


class JobsLine(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of one run, counted at each step; None where a step could not be read.

    `accepted` are distinct ids that the client got with a 202, `submitted` what the replicas counted, `produced` what
    the topic grew by, `consumed` what the workers have committed of that, `finished` the answers that workers stored
    (`outcomes` by kind; a "duplicate" was delivered again and is no second answer), `logged` the workers' log records
    of those, `answered` what the client saw.
    `exact`: all that are wholly known are equal. `lost`: accepted and not answered by the end.
    """

    accepted: int
    answered: int
    failed: int
    lost: int
    logged: int | None = None
    refused: dict[str, int]
    submitted: int | None
    produced: int | None
    consumed: int | None
    finished: int | None
    outcomes: dict[str, int]
    exact: bool
    explanations: tuple[str, ...]
    response_time: Percentiles | None
    service_time: Percentiles | None


def jobs_line(run: Run) -> JobsLine | None:
    """Return the line of a run; None when it handed in no job."""
    statuses: Counter[str] = Counter()
    for entry in run.entries:
        if (entry.method, entry.name) == ("POST", "/jobs"):
            statuses.update(entry.statuses)
    if run.jobs is None and not statuses:
        return None
    ended = Counter(run.jobs.statuses) if run.jobs else Counter[str]()
    submitted, doubts = _submitted(run)
    outcomes, worker_trouble = _outcomes(run)
    produced, consumed, log_trouble = _offsets(run)
    accepted = ended.total()
    finished = None if outcomes is None else outcomes[DONE] + outcomes[FAILED]
    answered = ended[DONE] + ended[FAILED]
    logged = run.logs.jobs.get(DONE, 0) + run.logs.jobs.get(FAILED, 0) if run.logs and not run.logs.problem else None
    # Counters of a process that was restarted or is gone know a part only: they are shown, and judge nothing.
    dropped = drops(run.logs).total if run.logs else 0
    steps = (None if doubts else submitted, produced, consumed, None if worker_trouble else finished,
             None if dropped or worker_trouble else logged, answered)  # fmt: skip
    exact = all(step == accepted for step in steps if step is not None)
    refused = {status: n for status, n in sorted(statuses.items()) if status != "202"}
    line = JobsLine(
        accepted=accepted,
        answered=answered,
        failed=ended[FAILED],
        lost=ended[UNANSWERED],
        logged=logged,
        refused=refused,
        submitted=submitted,
        produced=produced,
        consumed=consumed,
        finished=finished,
        outcomes={} if outcomes is None else dict(sorted(outcomes.items())),
        exact=exact,
        explanations=(),
        response_time=merged([run.jobs.response_time]).percentiles() if run.jobs else None,
        service_time=merged([run.jobs.service_time]).percentiles() if run.jobs else None,
    )
    # Of the replicas that are doubtful the truth line of the requests tells.
    found = (*log_trouble, *worker_trouble, *_explained(line, run))
    return msgspec.structs.replace(line, explanations=found)


def jobs_truth(found: JobsLine) -> str:
    """Return the jobs line: jobs accepted 900 = produced 900 = consumed 900 = answered 900."""
    logged = () if found.logged is None else (("logged", found.logged),)
    steps = (("accepted", found.accepted), ("produced", found.produced), ("consumed", found.consumed), *logged,
             ("answered", found.answered))  # fmt: skip
    known = [(name, n) for name, n in steps if n is not None]
    equal = " = " if found.exact else ", "
    unknown = [name for name, n in steps if n is None]
    line = "jobs " + equal.join(f"{name} {words.count(n)}" for name, n in known)
    return line + (f" ({' and '.join(unknown)}: not known)" if unknown else "")


def _explained(line: JobsLine, run: Run) -> Iterable[str]:
    """Yield what the data says about repetitions, and about each step that differs from the one before it."""
    if n := line.outcomes.get(DUPLICATE, 0):
        yield (
            f"{n} jobs came to a worker a second time (a worker or its commit was lost in between): "
            "they had been answered, and the first answer stands"
        )
    if line.submitted is not None and line.submitted != line.accepted:
        yield _submitted_explained(line.submitted - line.accepted, line.refused)
    # A replica that ended took its count with it: then the client's own is the better one.
    before = max(line.submitted or 0, line.accepted)
    if line.produced is not None and line.produced != before:
        yield _produced_explained(line.produced - before, line.refused)
    if line.produced is not None and line.consumed is not None and line.consumed < line.produced:
        yield (
            f"{line.produced - line.consumed} messages wait in the log: the workers have not committed them; "
            "next: lab status, lab kafka lag"
        )
    if line.consumed is not None and line.finished is not None and line.finished != line.consumed:
        yield from _finished_explained(line, run)
    if line.logged is not None and run.logs is not None and line.logged != line.answered:
        yield from _logged_explained(line.answered - line.logged, run.logs)
    if line.lost:
        what = "the run was interrupted before" if run.facts.interrupted else "each is in the errors of JOB job"
        yield f"{line.lost} accepted jobs had no answer when the run ended: {what}"


def _submitted_explained(more: int, refused: Mapping[str, int]) -> str:
    if more < 0:
        return (
            f"{-more} jobs were accepted of which no replica's counter knows: a replica was restarted, "
            "or a hand-in sent again got the id that it had before"
        )
    silent = refused.get("0", 0)
    heard = f"; {silent} hand-ins got no answer" if silent else ""
    return f"{more} jobs more were accepted than this client knows of: its answer was lost, or another client's{heard}"


def _produced_explained(more: int, refused: Mapping[str, int]) -> str:
    if more < 0:
        return (
            f"{-more} jobs were accepted without a message in the log of this run: they were in it before, or are lost"
        )
    away = refused.get("503", 0)
    heard = f"; {away} hand-ins were refused with 503" if away else ""
    return (
        f"{more} messages more than accepted jobs: another producer, or a message that Kafka kept although the "
        f"hand-in was refused because no acknowledgement came in time{heard}"
    )


def _finished_explained(line: JobsLine, run: Run) -> Iterable[str]:
    assert line.finished is not None
    assert line.consumed is not None
    missing = line.consumed - line.finished
    if line.outcomes.get("unreadable"):
        yield f"{line.outcomes['unreadable']} messages were unreadable: they are in {DEAD_LETTERS}, with the reason"
    if again := line.outcomes.get(DUPLICATE, 0):
        missing -= min(again, max(missing, 0))
    missing -= line.outcomes.get("unreadable", 0)
    if missing > 0:
        yield f"{missing} answers are in no worker's counters: a worker that ended took its counts with it"
    elif missing < 0 and run.queue is not None and (waited := run.queue.before.backlog):
        yield f"{waited} jobs of before the run were waiting when it began: their answers are counted too"
    elif missing < 0:
        yield f"{-missing} answers more than messages consumed: a batch was answered that is not committed yet"


def _logged_explained(missing: int, logs: Logs) -> Iterable[str]:
    if missing < 0:
        yield f"{-missing} jobs more are in the workers' log than answers that the client saw"
        return
    lost = drops(logs)
    if dropped := min(missing, lost.total):
        yield f"{dropped} answered jobs may be among the log records lost on their way: {lost.words()}"
    if missing > dropped:
        again = logs.jobs.get(DUPLICATE, 0)
        yield (
            f"{missing - dropped} answered jobs have no log record that says so: a worker ended before it had sent them"
            + (f"; {again} came again and are logged as duplicates" if again else "")
        )


def _submitted(run: Run) -> tuple[int | None, list[str]]:
    if run.counters is None or not run.counters.after:
        return None, []
    found, troubles = grown(run.counters.before, run.counters.after, "jobs_submitted_total", "")
    return (None if found is None else found.total()), troubles


def _outcomes(run: Run) -> tuple[Counter[str] | None, list[str]]:
    if run.queue is None or not run.queue.after.workers:
        return None, []
    return grown(run.queue.before.workers, run.queue.after.workers, "jobs_finished_total", "outcome")


def _offsets(run: Run) -> tuple[int | None, int | None, list[str]]:
    """Return by how much the topic grew and how much of that is committed."""
    if run.queue is None:
        return None, None, []
    before, after = run.queue.before, run.queue.after
    for side, when in ((before, "before"), (after, "after")):
        if side.error:
            return None, None, [f"Kafka's offsets could not be read {when} the run: {side.error}"]
    ends, starts = after.ends.get(JOBS, {}), before.ends.get(JOBS, {})
    produced = sum(end - starts.get(part, 0) for part, end in ends.items())
    consumed = sum(max(after.committed.get(part, 0), 0) - _begin(before, part) for part in ends)
    return produced, max(consumed, 0), []


def _begin(before: Offsets, part: str) -> int:
    """Return where this run's messages begin in a partition."""
    return before.ends.get(JOBS, {}).get(part, 0)
