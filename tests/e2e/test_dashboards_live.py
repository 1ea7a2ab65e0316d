"""Every panel of every dashboard of the project, in Chromium, over a real stack under load."""

import tomllib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from labkit.dashboards.serving import place
from tests.dashboard_pages import running_pages
from tests.e2e.dashboard_visit import CHROMIUM, Visit, running_chromium
from tests.eventually import eventually
from tests.integration.stack_folder import LAB, StackFolder
from tests.service import ROOT, end, start_bound

pytestmark = [
    pytest.mark.faults,  # its load needs the machine for itself
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH; apt-get install chromium"),
]

UIDS = sorted(path.stem for path in (ROOT / "grafana" / "dashboards").glob("*.json"))
LOAD = """
description = "A small load of every kind, long enough to look at every dashboard"
duration = 150
users = 40
grace = 10

[shape]
kind = "constant"
rate = 60
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages of a stack that is under load; yields their URL."""
    stack = StackFolder(tmp_path_factory.mktemp("live"))
    started = stack.lab("up")
    assert started.returncode == 0, started.stdout + started.stderr
    scenario = stack.temporary / "look.toml"
    scenario.write_text(LOAD)
    with (stack.temporary / "load.log").open("wb") as log:
        command = [str(LAB), "load", str(scenario)]
        load = start_bound(command, env=stack.environment(), stdout=log, stderr=log)
    try:
        with running_pages(place(stack.home, stack.environment())) as url:
            yield url
    finally:
        end(load)
        assert stack.lab("down").returncode == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as opened:
        yield opened


@pytest.mark.parametrize("uid", UIDS)
def test_every_panel_draws_its_data(browser: Browser, site: str, uid: str) -> None:
    """Wide and on a phone: all panels but those listed as exceptions show data, nothing complains or overflows."""
    for width in (1280, 390):
        visit = Visit(browser, f"{site}/d/{uid}?from=now-5m&to=now&refresh=5s", width)
        eventually(lambda seen=visit: all_drawn(seen, spared(uid)), within=90, every=1.0, what=f"all of {uid} is drawn")
        assert visit.overflow() == 0
        assert visit.complaints == []
        visit.keep(f"dashboard-{uid}-{width}")
        visit.close()


def all_drawn(visit: Visit, spared: set[str]) -> bool:
    """Return True; raises AssertionError with the panels that show nothing."""
    missing = [line for line in visit.undrawn() if not any(f" {title}: " in line for title in spared)]
    assert missing == []
    return len(visit.states()) > 0


def spared(uid: str) -> set[str]:
    """Return the titles of the panels which the list of exceptions allows to be empty."""
    listed = tomllib.loads((ROOT / "grafana" / "exceptions.toml").read_text(encoding="utf-8"))["exception"]
    return {title for one in listed if one["uid"] == uid for title in one["panels"]}
