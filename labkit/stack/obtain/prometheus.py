"""Prometheus 2.42 or newer: on PATH, else the distribution's package unpacked, else built with Go.

The package is downloaded with apt and unpacked into the cache, not installed: that needs no root and starts no
service. See docs/decisions/0012.
"""

import re
import shutil
import subprocess
from pathlib import Path

from labkit.home import Home
from labkit.stack.obtain import apt, ways
from labkit.stack.obtain.program import Program, Say, first_found, on_path, tool_of
from labkit.stack.obtain.workspace import run, workspace

OLDEST = (2, 42)
GO_MODULE = Path(__file__).with_name("prometheus_go")
BY_HAND = "put prometheus 2.42 or newer on PATH (https://prometheus.io/download)"


def find(home: Home) -> Program | None:
    assets = _unpacked(home) / "usr/share/prometheus/web"
    candidates = (
        (on_path("prometheus"), "on PATH", ()),
        (
            str(_unpacked(home) / "usr/bin/prometheus"),
            "the distribution's package, unpacked into the cache",
            (f"--web.local-assets={assets}",),
        ),
        (str(_built(home) / "prometheus"), "built with Go into the cache (complete API, no web page)", ()),
    )
    return first_found("prometheus", candidates, OLDEST)


def find_promtool(home: Home) -> Path | None:
    """Return promtool, which checks rules and runs their tests: beside the Prometheus that is used, else on PATH."""
    return tool_of(find(home), "promtool")


def would(home: Home) -> str:
    if apt.has_apt():
        return f"unpack the distribution's package into {home.cache}, 20 MB; else build it with Go"
    if ways.has_go():
        return f"build it with Go into {home.cache}, a few minutes"
    return BY_HAND


def obtain(home: Home, say: Say) -> Program:
    return ways.first_that_works("prometheus", (_from_package, _with_go), find, BY_HAND, home, say)


def _unpacked(home: Home) -> Path:
    return home.cache / "prometheus-package"


def _built(home: Home) -> Path:
    return home.cache / "prometheus-go"


def _from_package(home: Home, say: Say) -> None:
    apt.unpack("prometheus", OLDEST, _unpacked(home), say, complete=_add_web_parts)


def _add_web_parts(package: apt.Package) -> None:
    """Unpack the scripts and fonts of the web page beside it; without them only the page suffers."""
    try:
        package.add([*re.findall(r"\b(?:libjs|fonts)-[a-z0-9.-]+", package.depends()), "libjs-d3"])
        for sources in (package.root / "usr/share/javascript/moment-timezone").glob("*/"):
            shutil.rmtree(sources)  # 210 MB of time zone sources; the page uses one file beside them
    except subprocess.SubprocessError:
        package.say("prometheus: its web page will look plain, the parts for it could not be downloaded")


def _with_go(home: Home, say: Say) -> None:
    """Build the wrapper module beside this file; everything that Go writes stays in a folder that is removed."""
    with workspace(home.cache) as folder:
        env = ways.go_environment(folder)
        say("prometheus: building it with Go, a few minutes")
        module = folder / "module"  # Go ignores a go.mod in the folder that is TMPDIR
        shutil.copytree(GO_MODULE, module)
        named = f"-s -w -X github.com/prometheus/common/version.Version={_locked_version()}"
        command = ["go", "build", "-trimpath", "-tags", "remove_all_sd", "-ldflags", named, "-o", "prometheus"]
        run([*command, "github.com/prometheus/prometheus/cmd/prometheus"], module, say, timeout=900, env=env)
        _built(home).mkdir(parents=True, exist_ok=True)
        (module / "prometheus").replace(_built(home) / "prometheus")


def _locked_version() -> str:
    """Return the release that go.mod names: as a library, Prometheus 3.15.0 is v0.315.0."""
    found = re.search(r"github.com/prometheus/prometheus v0\.3(\d\d)\.(\d+)", (GO_MODULE / "go.mod").read_text())
    if found is None:
        raise LookupError(f"{GO_MODULE / 'go.mod'} names no Prometheus 3")
    return f"3.{int(found.group(1))}.{found.group(2)}"
