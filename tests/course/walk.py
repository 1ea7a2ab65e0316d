"""Walking through a lab as a newcomer does: its text by copy and paste, on a stack of its own."""

import json
import re
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from labkit.course.manifest import Lab
from labkit.course.processes import served
from labkit.course.workspace import copy_files, moved
from labkit.stack.record import read_record
from tests.course.text import script, steps
from tests.integration.stack_folder import LAB, ROOT, StackFolder

WALK_WITHIN = 900.0


@dataclass(frozen=True)
class Walked:
    """How a walk ended; `memory` is the highest PSS in MB of the stack and of what the student ran beside it."""

    code: int
    said: str
    minutes: float
    memory: float

    def told(self) -> str:
        """Return the step at which it ended and what was said there."""
        return self.said[self.said.rfind("@@ ") :][-6000:]


class Place:
    """A stack and a work folder for one lab."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.lab = lab
        self.stack = StackFolder(folder)
        self.work = folder / "work"
        self.solution = folder / "solution"

    @property
    def folder(self) -> Path:
        return self.work / self.lab.slug

    def environment(self) -> dict[str, str]:
        path = f"{LAB.parent}:{self.stack.environment()['PATH']}"
        return self.stack.environment(LAB_WORK=str(self.work), PATH=path)

    def begin(self) -> None:
        """Start the lab anew: an untouched starter on a stack of its profile."""
        self._lab("start", self.lab.number, "--fresh", "--name", "Course Check", check=True)

    def check(self) -> dict[str, Any]:
        """Return what `lab check NN --json` says."""
        done = self._lab("check", self.lab.number, "--json")
        assert done.returncode in (0, 1), done.stderr
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts | {"code": done.returncode}

    def comment_out(self) -> None:
        """Put the solution in place with nothing of it in force: every line of the student's files is a comment."""
        for file in self.lab.files:
            lines = (self.lab.solution / file).read_text(encoding="utf-8").splitlines()
            (self.folder / file).write_text("".join(f"# {line}\n" for line in lines), encoding="utf-8")

    def down(self) -> None:
        self._lab("down")

    def walk(self, text: Path, until: str = "") -> Walked:
        """Run the text from its first command to its last, or to the line `until`; edits come from the solution."""
        self.work = Path(tempfile.mkdtemp(prefix="walk-", dir=self.work.parent))
        copy_files(self.lab.solution, self.solution, self.stack.base, replace=True)
        printed = re.sub(r"(?<![\w/])work/(?=\d\d-)", f"{self.work}/", _part(text, until))
        printed = re.sub(r"(?<![\w/])\.lab/", f"{self.stack.home.lab}/", moved(printed, self.stack.base))
        program = script(steps(printed), self.solution, str(self.folder))
        begun, most = time.monotonic(), Memory(self.stack, self.lab)
        with (
            subprocess.Popen(
                ["bash", "-u"],
                env=self.environment(),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as shell,
            most.watching(shell.pid),
        ):
            try:
                said, _ = shell.communicate(program, WALK_WITHIN)
            except subprocess.TimeoutExpired:
                for process in [*psutil.Process(shell.pid).children(recursive=True), psutil.Process(shell.pid)]:
                    process.kill()
                said, _ = shell.communicate()
                said += f"\nthe walk took more than {WALK_WITHIN:.0f} s"
        return Walked(shell.returncode, said, (time.monotonic() - begun) / 60, most.highest / 1e6)

    def _lab(self, *arguments: str, check: bool = False) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [LAB, *arguments],
            env=self.environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=check,
        )


class Memory:
    """The highest sum of PSS of a stack, of what `lab serve` started, and of a shell's descendants."""

    EVERY = 0.5

    def __init__(self, stack: StackFolder, lab: Lab) -> None:
        self.highest = 0
        self._stack, self._lab = stack, lab
        self._ended = threading.Event()

    def watching(self, shell: int) -> "Memory":
        self._thread = threading.Thread(target=self._watch, args=(shell,), daemon=True)
        return self

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self, shell: int) -> None:
        while not self._ended.wait(self.EVERY):
            self.highest = max(self.highest, sum(_pss(pid) for pid in self._pids(shell)))

    def _pids(self, shell: int) -> set[int]:
        roots = {shell}
        if record := read_record(self._stack.home.run):
            roots |= {identity.pid for _, identity in record.processes()}
        roots |= {one.process.pid for one in served(self._lab, self._stack.home)}
        found = set()
        for pid in roots:
            try:
                found |= {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
            except psutil.Error:
                continue
        return found


def _part(text: Path, until: str) -> str:
    whole = text.read_text(encoding="utf-8")
    return whole.partition(f"\n{until}\n")[0] if until else whole


def _pss(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return 0
