"""Versions come and go as the routes file says, and whoever follows is told in the right order."""

import asyncio
import json
import logging
import threading

import pytest

from app.adapters.deployments import Deployments
from app.adapters.routes_file import RoutesFile
from app.core.errors import ArtefactChanged
from app.core.registry import Registry
from tests.fake_models import FakeKernel, by_first_number, info


def kernel(name, version="v1"):
    return FakeKernel(info(name, version), by_first_number)


class Lab:
    """A registry with its deployments, a routes file, and what happened."""

    def __init__(self, folder):
        self.path = folder / "routes.json"
        self.registry = Registry([kernel("iris"), kernel("forest", "v1"), kernel("forest", "v2")], "forest:v2=50")
        self.broken = set()
        self.loaded_in = []
        self.told = []
        self.arrived = asyncio.Event()
        self.deployments = Deployments(self.registry, RoutesFile(self.path), self.load, period=0)

    def load(self, name, version):
        self.loaded_in.append(threading.current_thread())
        if version in self.broken:
            raise ArtefactChanged(f"{name}/{version}/model.json: sha256 differs")
        return kernel(name, version)

    def write(self, **routes):
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(routes))
        part.replace(self.path)

    def refresh(self, **routes):
        self.write(**routes)
        self.deployments.refresh()

    @property
    def traffic(self):
        return self.registry.model("forest").traffic

    # A follower, which sees at each moment what a request could meet.
    def added(self, served):
        self.told.append(("added", served.info.version, served.info.version in self.traffic))
        self.arrived.set()

    def dropped(self, served):
        self.told.append(("dropped", served.info.version, served.info.version in self.traffic))


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


def test_without_a_file_the_canary_rule_of_the_start_holds(lab):
    lab.deployments.start()
    lab.deployments.refresh()
    assert lab.traffic == {"v1": 0.5, "v2": 0.5}


def test_a_missing_version_is_loaded_and_gets_its_share(lab):
    lab.refresh(forest={"stable": "v2", "canary": "v3", "weight": 10})
    assert lab.traffic == {"v1": 0.0, "v2": 0.9, "v3": 0.1}
    assert len(lab.loaded_in) == 1
    assert lab.registry.model("iris").traffic == {"v1": 1.0}


def test_a_follower_knows_a_version_before_requests_can_meet_it_and_until_they_no_longer_can(lab):
    lab.deployments.tell(lab)
    assert lab.told == [("added", "v1", True), ("added", "v1", True), ("added", "v2", True)]
    lab.told.clear()
    lab.refresh(forest={"stable": "v4", "previous": "v3"})
    assert lab.told == [("added", "v4", False), ("added", "v3", False), ("dropped", "v1", False)]
    assert lab.traffic == {"v2": 0.0, "v3": 0.0, "v4": 1.0}


def test_a_version_that_was_dropped_is_loaded_again_when_it_is_wanted(lab):
    lab.refresh(forest={"stable": "v4", "previous": "v3"})
    assert "v1" not in lab.traffic
    lab.refresh(forest={"stable": "v1"})
    assert lab.traffic["v1"] == 1.0
    assert len(lab.traffic) == 3


@pytest.mark.parametrize(
    ("routes", "named"),
    [
        ({"oak": {"stable": "v1"}, "forest": {"stable": "v2"}}, "no model 'oak'"),
        ({"forest": {"stable": "v9"}}, "forest/v9/model.json: sha256"),
        ({"iris": {"stable": "v1"}, "forest": {"stable": "v2", "canary": "v9", "weight": 5}}, "forest/v9/model.json"),
        ({"forest": {"stable": "v1", "canary": "v2", "weight": 200}}, "weight"),
    ],
)
def test_what_cannot_be_applied_changes_nothing_and_is_named_once(lab, caplog, routes, named):
    lab.broken.add("v9")
    lab.deployments.tell(lab)
    lab.told.clear()
    lab.refresh(**routes)
    for _ in range(3):
        lab.deployments.refresh()
    assert lab.traffic == {"v1": 0.5, "v2": 0.5}
    assert lab.told == []
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert named in record.getMessage()


def test_a_damaged_way_back_does_not_hold_up_the_way_on(lab, caplog):
    lab.broken.add("v7")
    lab.refresh(forest={"stable": "v2", "previous": "v7"})
    assert lab.traffic == {"v1": 0.0, "v2": 1.0}
    assert "no way back to v7" in caplog.text


def test_at_the_start_a_damaged_canary_does_not_take_its_stable_version_along(lab):
    lab.broken.add("v9")
    lab.write(forest={"stable": "v3", "canary": "v9", "weight": 10}, oak={"stable": "v1"})
    lab.deployments.start()
    assert lab.traffic == {"v1": 0.0, "v2": 0.0, "v3": 1.0}


def test_a_refresh_looks_at_the_file_only_now_and_then(lab):
    seldom = Deployments(lab.registry, RoutesFile(lab.path), lab.load)
    seldom.refresh()
    lab.write(forest={"stable": "v2"})
    seldom.refresh()
    assert lab.traffic == {"v1": 0.5, "v2": 0.5}


async def test_beside_an_event_loop_versions_are_loaded_in_another_thread(lab):
    lab.deployments.tell(lab)
    lab.arrived.clear()
    lab.write(forest={"stable": "v3"})
    following = asyncio.create_task(lab.deployments.follow())
    await asyncio.wait_for(lab.arrived.wait(), 10)
    following.cancel()
    assert lab.traffic["v3"] == 1.0
    assert lab.loaded_in != [threading.main_thread()]
