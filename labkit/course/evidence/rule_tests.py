"""Rules of Prometheus held against tests by promtool, in a folder of their own."""

import re
import subprocess
import tempfile
from pathlib import Path

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.prometheus import find_promtool

WITHIN = 20.0  # seconds
LONGEST = 200
COMMENT = re.compile(r"^\s*#.*\n?", re.MULTILINE)
THRESHOLD = re.compile(r"(>=?\s*)\d+(?:\.\d+)?(?![\s\S]*>=?\s*\d)")


def failure(home: Home, rule: str, test: str, file: str = "alert.yml") -> str:
    """Return what promtool says about a test that fails or cannot be read, "" when it passes.

    `file` is the name under which the test asks for the rule. Raises CannotRun without promtool.
    """
    promtool = find_promtool(home)
    if promtool is None:
        raise CannotRun("promtool is not here; next: lab doctor, then put Prometheus with promtool on PATH")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, file).write_text(rule, encoding="utf-8")
        Path(folder, "rule_test.yml").write_text(test, encoding="utf-8")
        try:
            done = subprocess.run(
                [str(promtool), "test", "rules", "rule_test.yml"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=WITHIN,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"promtool does not come to an end within {WITHIN:.0f} s"
    said = " ".join(f"{done.stdout} {done.stderr}".split())
    reason = said.partition("FAILED:")[2].strip() or said or "promtool says nothing"
    return "" if done.returncode == 0 else reason[:LONGEST]


def with_threshold(rule: str, number: float) -> str:
    """Return a rule with another number behind its last > or >=; without one, the rule as it is. Comments go."""
    return THRESHOLD.sub(rf"\g<1>{number:g}", COMMENT.sub("", rule))
