"""Fixtures of the tests on real containers: an engine, the images, a state folder, a stack that runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker import standins
from tests.docker.container_lab import ContainerLab

PROFILES = ("stream", "logs")
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder: they need an engine, and the first of them waits for images to be built."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("docker")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[None]:
    """A Docker engine; one that this session had to start is stopped at its end."""
    try:
        started = standins.start_engine()
    except standins.Unavailable as why:
        pytest.skip(str(why))
    yield
    if started:
        standins.stop_engine()


@pytest.fixture(scope="session")
def stack_images(docker_engine: None) -> list[str]:
    """The images of others, made where they were missing; the value names those that this machine cannot have."""
    return standins.make_images()


@pytest.fixture(scope="session")
def image(stack_images: list[str]) -> str:
    """Our image, built from the working tree; release 2 of it is there, too."""
    made = [standins.make_ours(release) for release in standins.RELEASES]
    return made[0]


@pytest.fixture(scope="session")
def lab_home(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerLab]:
    """A state folder with the secrets that `lab init` makes, ports and a Compose project of its own."""
    lab = ContainerLab(tmp_path_factory.mktemp("containers"))
    lab.must("init")
    yield lab
    lab.end()


@pytest.fixture(scope="session")
def compose_stack(lab_home: ContainerLab) -> Iterator[ContainerLab]:
    """The stack that `lab up --engine compose` starts, with queue and logs; tests leave it as they found it."""
    lab_home.must("up", "--engine", "compose", *(part for name in PROFILES for part in ("--profile", name)), within=600)
    yield lab_home
    lab_home.must("down")
