"""What makes a lab's check file a suite of pytest: functions `check_…` that take `work` and return a finding."""

from collections.abc import Callable

import pytest

from labkit.check.finding import Finding
from labkit.check.running import Check, found
from labkit.course.work import Work


class Findings:
    """A pytest plugin that keeps what each check found, in the order of the file."""

    def __init__(self, work: Work, tell: Callable[[Finding], None]) -> None:
        self.found: list[Finding] = []
        self.broken: list[str] = []
        """Why the file, or what its checks share, could not be used."""
        self._work = work
        self._tell = tell

    @pytest.fixture(scope="session")
    def work(self) -> Work:
        """The student's work, beside the running stack."""
        return self._work

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool:
        """Run one check. A check that returns no finding is an error of the course, not of the student."""
        # What pytest hands over by its own names, `request` among them, stays out.
        wanted = pyfuncitem._fixtureinfo.argnames
        given = {name: pyfuncitem.funcargs[name] for name in wanted}
        check: Check[Work] = Check(spoken(pyfuncitem.name), lambda _: _finding(pyfuncitem.obj(**given)))
        finding = found(check, self._work)
        self.found.append(finding)
        self._tell(finding)
        if finding.verdict != "passed":
            pytest.fail(f"{finding.seen}; expected: {finding.expected}; next: {finding.next}", pytrace=False)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.failed:
            self.broken.append(f"{report.nodeid}: {_last_line(str(report.longrepr))}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(f"{report.nodeid}: {_last_line(str(report.longrepr))}")


def spoken(function: str) -> str:
    """Return a check's name as people read it: check_a_claim is "a claim"."""
    return function.removeprefix("check_").replace("_", " ")


def _finding(returned: object) -> Finding:
    if not isinstance(returned, Finding):
        raise TypeError(f"it returned {returned!r}, no finding")
    return returned


def _last_line(text: str) -> str:
    """Return what went wrong: pytest marks those lines with an E."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line[1:] for line in lines if line.startswith("E ")] or lines
    return errors[-1].strip() if errors else ""
