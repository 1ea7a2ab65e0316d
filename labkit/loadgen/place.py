"""Where the locust of a run works: on this machine, or as pods of a cluster."""

from pathlib import Path
from typing import Protocol

from labkit.loadgen.counters import Scrape
from labkit.loadgen.progress import OnProgress
from labkit.loadgen.scenario import Scenario


class Place(Protocol):
    """Runs locust for one run, which is led from here: the counters before and after, and the verdict, are ours."""

    def scrape(self) -> dict[str, Scrape]:
        """Read the counters of the replicas that there are now, by the address of their metrics."""

    def command(self, scenario: Scenario, folder: Path, rate: float | None) -> list[str]:
        """Return locust's command line for a run, whose files shall come to be in `folder`."""

    def run(self, command: list[str], folder: Path, scenario: Scenario, show: OnProgress) -> BaseException | None:
        """Run locust to its end, showing progress; return what interrupted it, or None.

        Raises CannotRun (or what interrupted it) when nothing was measured; the folder is removed then.
        """
