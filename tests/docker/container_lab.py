"""A state folder of a test's own whose stack runs in containers."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from labkit.home import Home
from tests.integration.stack_folder import LAB, ROOT, StackFolder, free_base

PROJECT = "label=com.docker.compose.project="


class ContainerLab(StackFolder):
    """`lab` and `docker compose` with a state folder, ports and a Compose project that nobody else has."""

    _taken: ClassVar[set[int]] = set()  # bases of this session whose ports may still be free

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        while self.base in self._taken:
            self.base = free_base()
        self._taken.add(self.base)
        self.root = ROOT
        self.project = f"{os.environ.get('COMPOSE_PROJECT_NAME', 'labtest')}-{os.getpid()}-{self.base}"
        self.env_file = self.home.lab / "compose.env"

    def environment(self, **more: str) -> dict[str, str]:
        docker = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
        return super().environment(**{**docker, "COMPOSE_PROJECT_NAME": self.project, **more})

    def must(self, *arguments: str, within: float = 300) -> str:
        """Run a `lab` command that has to work, and return what it printed."""
        return self.output(*self.command(*arguments), within=within)

    def command(self, *arguments: str) -> tuple[str, ...]:
        return (str(LAB), *arguments)

    def compose(self, *arguments: str, within: float = 300) -> str:
        """Run `docker compose` with the file and the settings of `lab init`; it has to work."""
        return self.output("docker", "compose", "--env-file", str(self.env_file), *arguments, within=within)

    def run(self, *command: str, within: float = 300, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the project's folder with this lab's environment."""
        return subprocess.run(
            command,
            env=self.environment(**environment),
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def output(self, *command: str, within: float = 60) -> str:
        """Run a command that has to work, and return what it printed."""
        done = self.run(*command, within=within)
        shown = f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert done.returncode == 0, shown
        return done.stdout

    def containers(self) -> list[dict[str, Any]]:
        """Return `docker inspect` of every container of this project, running or not."""
        named = self.output("docker", "ps", "-aq", "--no-trunc", "--filter", PROJECT + self.project).split()
        found: list[dict[str, Any]] = json.loads(self.output("docker", "inspect", *named)) if named else []
        return found

    def unwell(self) -> list[str]:
        """Return the containers that do not run or are not healthy, each with its state."""
        states = {one["Name"].removeprefix("/"): one["State"] for one in self.containers()}
        return [
            f"{name}: {state['Status']}, {state.get('Health', {}).get('Status', 'no healthcheck')}"
            for name, state in states.items()
            if not state["Running"] or state.get("Health", {}).get("Status", "healthy") != "healthy"
        ]

    def left(self, *kinds: str) -> list[str]:
        """Return what this project has in the engine of these kinds: container, network, volume."""
        listed = {kind: ["docker", kind, "ls", *["-a"] * (kind == "container"), "-q"] for kind in kinds}
        return [
            f"{kind} {name}"
            for kind, command in listed.items()
            for name in self.output(*command, "--filter", PROJECT + self.project).split()
        ]

    def end(self) -> None:
        """Remove whatever this project has in the engine, volumes included."""
        for kind in ("container", "network", "volume"):
            if found := [one.removeprefix(f"{kind} ") for one in self.left(kind)]:
                self.output("docker", kind, "rm", *["-f", "-v"] * (kind == "container"), *found, within=120)


class CleanCopy(ContainerLab):
    """A copy of the project as a clone has it, `lab init` done in it as the documents say."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.root = folder / "clone"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if (source := ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, self.root / name)
        self.home = Home(self.root, self.root / ".lab")
        self.env_file = self.root / ".env"

    def environment(self, **more: str) -> dict[str, str]:
        kept = super().environment(**more)
        del kept["LAB_HOME"]
        return {**kept, "PYTHONPATH": str(self.root)}  # the copy's own `lab`
