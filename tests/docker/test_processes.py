"""The first column of the table: the same checks on the stack that needs no container."""

from pathlib import Path

from tests.docker.container_lab import ContainerLab
from tests.engine_checks import assert_every_check_passed


def test_every_check_passes_on_processes(tmp_path: Path):
    lab = ContainerLab(tmp_path)
    try:
        lab.must("up")
        done = lab.run(*lab.command("check", "deployment", "--json"), within=900)
        assert_every_check_passed("process", lab.home.lab, done)
    finally:
        lab.must("down")
