"""`lab check deployment` as the tests of each engine run it, and the table of all engines that they fill together."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from labkit.check.deployment.checks import CHECKS
from tests.integration.stack_folder import LAB, ROOT

TABLE = ROOT / ".lab" / "checks"
"""Where the project's own `lab check table` looks."""
FIGURES: list[str] = []
"""What tests have measured, a line each, for the end of the run."""
_checked: list[str] = []


def assert_every_check_passed(engine: str, lab: Path, done: "subprocess.CompletedProcess[str]") -> None:
    """Take what `lab check deployment --json` with the state folder `lab` ended with; the table gets its findings."""
    assert done.stdout, done.stderr
    findings = json.loads(done.stdout)["findings"]
    TABLE.mkdir(parents=True, exist_ok=True)
    shutil.copy(lab / "checks" / f"{engine}.json", TABLE)
    _checked.append(engine)
    assert [one for one in findings if one["verdict"] != "passed"] == [], done.stderr
    assert [one["name"] for one in findings] == [check.name for check in CHECKS]
    assert done.returncode == 0


def table() -> str:
    """Return engine × check, of this run and of those before; nothing when this run has checked none."""
    if not _checked:
        return ""
    own = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")}
    shown = [str(LAB), "check", "table"]
    environment = {**own, "COLUMNS": "160"}
    return subprocess.run(shown, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout
