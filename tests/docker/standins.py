"""What tests on real containers need of this machine: a Docker engine, the images of others, and ours.

Where no engine answers or an image is missing, the tools of the folder `shared` beside the project make it (LAB_SHARED
names another folder). A machine with an engine and an image registry needs none of them. Standard library only:
`python3 -m tests.docker.standins prepare` works before anything is installed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "requirements" / "images.txt"
OURS = "observability-lab"
RELEASES = ("dev", "2")


class Unavailable(Exception):
    """Why a test cannot run on this machine, as one line."""


def shared(*parts: str) -> Path | None:
    """Return the path of a tool in the folder `shared`, None where there is no such tool."""
    tool = Path(os.environ.get("LAB_SHARED") or ROOT.parent / "shared").joinpath(*parts)
    return tool if tool.exists() else None


def engine_answers() -> bool:
    """Tell whether this user reaches a Docker engine."""
    return shutil.which("docker") is not None and _quietly("docker", "version", "-f", "{{.Server.Version}}") == 0


def start_engine() -> bool:
    """Make sure that an engine and the Compose plugin are there; tell whether the engine was started for it.

    Raises Unavailable where neither is possible.
    """
    answers, tool, root = engine_answers(), shared("standins", "engine"), os.geteuid() == 0
    plugin = answers and _quietly("docker", "compose", "version") == 0
    if plugin and (shutil.which("docker-compose") or not (tool and root)):
        return False
    missing = "docker has no compose plugin" if answers else "no Docker engine answers"
    if tool is None:
        raise Unavailable(f"{missing}, and no folder shared beside the project has a way to start one")
    if not root:
        raise Unavailable(f"{missing}, and installing it needs root")
    _run(tool, "up", "--v1", within=600)
    return not answers


def stop_engine() -> None:
    """Stop the engine that `start_engine` started."""
    if tool := shared("standins", "engine"):
        _run(tool, "down", within=120)


def pinned() -> dict[str, list[str]]:
    """Return the images of others that the project uses: {name: tags}, from requirements/images.txt."""
    lines = (line.split("#")[0].strip() for line in IMAGES.read_text(encoding="utf-8").splitlines())
    tags: dict[str, list[str]] = {}
    for name, _, tag in (line.partition("=") for line in lines if line):
        tags.setdefault(name.strip(), []).append(tag.strip())
    return tags


def have(image: str) -> bool:
    """Tell whether the engine has an image."""
    return _quietly("docker", "image", "inspect", image) == 0


def make_images(names: Iterable[str] = ()) -> list[str]:
    """Make what is missing of the images of others (all, or those names), from packages where no registry has been.

    Return the images that are still missing: an engine with a registry pulls them by itself.
    """
    # A stand-in holds one version, whatever its tag: of a name with several, the first alone.
    wanted = [f"{name}:{tags[0]}" for name, tags in pinned().items() if not names or name in names]
    missing = [image for image in wanted if not have(image)]
    tool, recipes = shared("standins", "build"), shared("standins", "images.txt")
    if missing and tool and recipes and os.geteuid() == 0:
        known = {line.partition("=")[0].strip() for line in recipes.read_text(encoding="utf-8").splitlines()}
        if makeable := [image for image in missing if image.rpartition(":")[0] in known]:
            _run(tool, *makeable, within=1800)
    return [image for image in missing if not have(image)]


def make_ours(release: str = "dev") -> str:
    """Build the services' image of a release and return its name with the tag; what did not change is reused."""
    image = f"{OURS}:{release}"
    _run("docker", "build", "--build-arg", f"RELEASE={release}", "-t", image, ".", within=1200)
    return image


def make_load() -> str:
    """Build the load generator's image and return its name with the tag."""
    image = f"{OURS}-load:dev"
    _run("docker", "build", "--target", "load", "-t", image, ".", within=1200)
    return image


def cluster_reached() -> bool:
    """Tell whether kubectl reaches a cluster as it is set up here."""
    return _quietly("kubectl", "get", "--raw", "/readyz") == 0


def lacking(target: str) -> str:
    """Return why this machine cannot run `make TARGET` (test-docker, test-k8s), empty when it can."""
    root = os.geteuid() == 0
    if target == "test-k8s" and not cluster_reached():
        if not shared("k8s-node", "up"):
            return "kubectl reaches no cluster, and no folder shared beside the project has a way to start one"
        if not root:
            return "kubectl reaches no cluster; to start one needs root"
    if not engine_answers() and not (shared("standins", "engine") and root):
        return "no Docker engine answers; to start one needs root and the folder shared beside the project"
    return ""


def prepare() -> None:
    """Make all that the tests use, so that they find it: images of others, ours, the parts of a Kubernetes node."""
    if missing := make_images():
        print("standins: not here and not to be made:", *missing, flush=True)
    for release in RELEASES:
        make_ours(release)
    make_load()
    if (cluster := shared("k8s-node", "build")) and os.geteuid() == 0:
        _run(cluster, within=2400)


def _quietly(*command: str) -> int:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode
    except (OSError, subprocess.TimeoutExpired):
        return 1


def _run(*command: str | Path, within: float) -> None:
    """Run a command in the project's folder. Raises RuntimeError with its last lines when it fails."""
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=within
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-25:])
        raise RuntimeError(f"{' '.join(map(str, command))} failed ({done.returncode}):\n{tail}")


def main(command: str, *arguments: str) -> None:
    """Do what `.ci/run` asks for: start (says "started" if that was necessary), prepare, lacking TARGET, stop."""
    if command == "start":
        print("started" if start_engine() else "")
    elif command == "lacking":
        print(lacking(*arguments))
    else:
        {"prepare": prepare, "stop": stop_engine}[command]()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Unavailable as why:
        sys.exit(f"standins: {why}")
