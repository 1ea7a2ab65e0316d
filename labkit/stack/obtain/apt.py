"""Programs out of the distribution's packages: downloaded with apt and unpacked, not installed.

That needs no root, starts no service and leaves the system as it is. See docs/decisions/0012.
"""

import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from labkit.stack.obtain.program import Say, at_least
from labkit.stack.obtain.workspace import run, workspace


@dataclass(frozen=True)
class Package:
    """One package that was downloaded: `root` is where its files are, `folder` where more can be put."""

    file: Path
    folder: Path
    root: Path
    options: tuple[str, ...]
    say: Say

    def depends(self) -> str:
        """Return what it depends on, as the package says."""
        return run(["dpkg-deb", "-f", str(self.file), "Depends"], self.folder, self.say, timeout=60)

    def add(self, others: Iterable[str]) -> None:
        """Unpack other packages into the same root; raises subprocess.SubprocessError when one cannot be had."""
        run(["apt-get", *self.options, "download", *others], self.folder, self.say, timeout=120)
        for other in self.folder.glob("*.deb"):
            if other != self.file:
                run(["dpkg-deb", "-x", str(other), str(self.root)], self.folder, self.say, timeout=60)


def has_apt() -> bool:
    return all(shutil.which(tool) for tool in ("apt-get", "apt-cache", "dpkg-deb"))


def unpack(
    name: str, oldest: tuple[int, ...], target: Path, say: Say, complete: Callable[[Package], None] | None = None
) -> None:
    """Put the files of a package into `target`, as a whole or not at all; `complete` may add to them before.

    Raises LookupError when there is no apt or no version that is new enough, subprocess.SubprocessError otherwise.
    """
    if not has_apt():
        raise LookupError("no apt here")
    with workspace(target.parent) as folder:
        options = ["-o", "APT::Sandbox::User="]  # root's downloads need not be readable by the user _apt
        if not _candidate(name, oldest, folder, options, say):
            say(f"{name}: the package lists are missing or old; reading them into the cache")
            options += _own_lists(folder)
            run(["apt-get", *options, "update"], folder, say, timeout=300)
        if not _candidate(name, oldest, folder, options, say):
            raise LookupError(f"the distribution has no {name} {'.'.join(map(str, oldest))} or newer")
        run(["apt-get", *options, "download", name], folder, say, timeout=300)
        file, root = next(folder.glob(f"{name}_*.deb")), folder / "root"
        run(["dpkg-deb", "-x", str(file), str(root)], folder, say, timeout=120)
        if complete is not None:
            complete(Package(file, folder, root, tuple(options), say))
        shutil.rmtree(target, ignore_errors=True)
        root.replace(target)


def _candidate(name: str, oldest: tuple[int, ...], folder: Path, options: list[str], say: Say) -> str:
    """Return the version that apt would take, "" when it is missing or too old."""
    text = run(["apt-cache", *options, "policy", name], folder, say, timeout=60, env={"LC_ALL": "C"})
    found = re.search(r"Candidate: (?:\d+:)?(\d+\.\d+(?:\.\d+)?)", text)
    return found.group(1) if found and at_least(found.group(1), oldest) else ""


def _own_lists(folder: Path) -> list[str]:
    """Return options that keep apt's lists in our folder: no root needed and the system's stay as they are."""
    for part in ("lists/partial", "archives/partial"):
        (folder / "apt" / part).mkdir(parents=True)
    state, lists = folder / "apt", folder / "apt" / "lists"
    return ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={state}", "-o", "APT::Get::List-Cleanup=false"]
