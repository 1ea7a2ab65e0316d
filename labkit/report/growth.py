"""By how much counters grew during a run, over processes that may have been restarted in it."""

from collections import Counter
from collections.abc import Mapping

from labkit.report.run_folder import Scrape


def grown(
    before: Mapping[str, Scrape], after: Mapping[str, Scrape], metric: str, label: str, **where: str
) -> tuple[Counter[str] | None, list[str]]:
    """Return by how much a counter grew over all processes, by a label, and what makes that doubtful.

    `where` chooses samples by other labels; None when no process could be read.
    """
    found: Counter[str] = Counter()
    troubles, read = [], 0
    for url, now in after.items():
        if now.error or not now.samples:
            troubles.append(f"{url} could not be read after the run: what it counted is unknown")
            continue
        read += 1
        then = before.get(url, Scrape())
        if _start(then) is not None and _start(then) != _start(now):
            troubles.append(f"{url} was restarted during the run: what it had counted before is lost")
            then = Scrape()
        found.update(_values(now, metric, label, where))
        found.subtract(_values(then, metric, label, where))
    gone = sorted(before.keys() - after.keys())
    troubles += [f"{url} was there before the run and not after it: what it counted is unknown" for url in gone]
    return (Counter({name: n for name, n in found.items() if n}) if read else None), troubles


def _values(scrape: Scrape, metric: str, label: str, where: Mapping[str, str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for sample in scrape.samples:
        if sample.name == metric and where.items() <= sample.labels.items():
            found[sample.labels.get(label, "")] += round(sample.value)
    return found


def _start(scrape: Scrape) -> float | None:
    return next((one.value for one in scrape.samples if one.name == "process_start_time_seconds"), None)
