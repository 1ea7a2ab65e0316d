"""Fixtures of several integration modules."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.home import Home
from labkit.stack.control import stop
from tests.integration.model_lab import Lab, few_models
from tests.integration.stack_folder import ROOT, quiet
from tests.samples.opinions import LABELLED
from tests.samples.trained_versions import give, retrain
from tests.service import Service, running_service


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with version v2 of sentiment, made from feedback: to be copied."""
    folder = tmp_path_factory.mktemp("trained")
    give(folder, [("ana", text, label) for text, label in LABELLED])
    assert retrain(folder).returncode == 0
    return folder / "trained"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A state folder in which a supervisor may run; it is stopped at the end."""
    home = Home(ROOT, tmp_path / ".lab")
    for folder in (home.run, home.logs):
        folder.mkdir(parents=True)
    yield home
    stop(home, quiet)


@pytest.fixture
def lab(tmp_path: Path, trained: Path) -> Lab:
    """A state folder of the test's own."""
    return Lab(tmp_path, trained, few_models(tmp_path / "few"))


@pytest.fixture
def replica(lab: Lab, tmp_path: Path) -> Iterator[Service]:
    """The one replica of that state folder; the session's shared service follows no routes."""
    with running_service(tmp_path, **lab.settings) as service:
        lab.record(**{"api-1": (service.port, "ready"), "redis": (1, "ready")})
        yield service
