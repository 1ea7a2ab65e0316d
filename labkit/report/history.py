"""The runs that there are, and which one a person means."""

from pathlib import Path

import msgspec

from labkit.errors import CannotRun
from labkit.report.run_folder import Facts, read_facts
from labkit.report.summary import Summary

NEWEST = "last"


class Listed(msgspec.Struct, frozen=True):
    """One run in the list; rate, p99 and verdict are None until it was judged."""

    id: str
    scenario: str
    started: float
    duration_s: float
    sent_per_s: float | None
    p99_ms: float | None
    verdict: str | None
    folder: str


def run_folders(runs: Path) -> list[Path]:
    """Return the folders of finished runs, newest first."""
    found = [path.parent for path in runs.glob("*/run.json")]
    return sorted(found, key=lambda folder: (_started(folder), folder.name), reverse=True)


def find_run(name: str | None, runs: Path) -> Path:
    """Return the folder of a run: its path, its id, a unique beginning of that, or `last` (also when None).

    Raises CannotRun that names what was asked for and the newest three runs.
    """
    folders = run_folders(runs)
    if name is None or name == NEWEST:
        if not folders:
            raise CannotRun(f"no run in {runs} yet; next: lab load smoke")
        return folders[0]
    if (Path(name) / "run.json").is_file():
        return Path(name).resolve()
    matching = [folder for folder in folders if folder.name == name] or [
        folder for folder in folders if name and folder.name.startswith(name)
    ]
    if len(matching) == 1:
        return matching[0]
    shown = ", ".join(folder.name for folder in (matching or folders)[:3]) or "none; next: lab load smoke"
    if matching:
        raise CannotRun(f"{name!r} begins {len(matching)} runs ({shown}…); give more of the id")
    raise CannotRun(f"no run {name!r}; the newest are: {shown}")


def listed(folder: Path) -> Listed:
    """Return a run's line in the list; a run never judged has only what run.json says."""
    facts = read_facts(folder)
    summary = read_summary(folder)
    latency = None
    if summary is not None:
        latency = summary.latency.response_time or summary.latency.service_time
    return Listed(
        id=facts.id,
        scenario=facts.scenario_name,
        started=facts.started,
        duration_s=round(facts.ended - facts.started, 3),
        sent_per_s=summary.rates.sent if summary else None,
        p99_ms=latency.p99 if latency else None,
        verdict=summary.verdict if summary else None,
        folder=str(folder),
    )


def read_summary(folder: Path) -> Summary | None:
    """Return the run's summary.json; None when there is none or another version of the lab wrote it."""
    try:
        return msgspec.json.decode((folder / "summary.json").read_bytes(), type=Summary)
    except (OSError, msgspec.DecodeError):
        return None


def _started(folder: Path) -> float:
    try:
        facts: Facts = read_facts(folder)
    except CannotRun:
        return 0.0
    return facts.started
