"""No secret is where it does not belong: what `lab init` made is looked for in everything that others can see.

The values are random, so a hit is no chance. Traffic comes first: right, wrong, with keys and with wrong keys.
"""

import base64
import secrets
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.docker import leaks, standins
from tests.docker.container_lab import CleanCopy, ContainerLab
from tests.docker.leaks import Hunt
from tests.eventually import eventually

ROW = {"data": [[5.1, 3.5, 1.4, 0.2]]}
# The image of Postgres puts the password of its file into the environment of its own server, in its own container.
POSTGRES_OWN = {"containers/postgres-password#0 in environment"}
PLACES = {"inspect", "environment", "logs", "access log", "metrics", "log store", "answers"}


def send(lab: ContainerLab, wrong: str, hunt: Hunt) -> str:
    """Send right and wrong requests through the edge, some with keys; return the request id of one."""
    key = (lab.home.secrets / "api-key").read_text(encoding="ascii").strip()
    name = f"hunt-{uuid.uuid4()}"
    headers = [{"X-API-Key": key}, {"X-API-Key": wrong}, {"X-API-Key": key + "x"}, {"Authorization": f"Bearer {wrong}"}]
    postgres = by_service(lab)["postgres"]
    containers = [one["Id"] for one in lab.containers() if one["Id"] != postgres]
    with httpx.Client(base_url=f"http://127.0.0.1:{lab.base + 80}", timeout=20, trust_env=False) as client:
        for header in headers:
            for answer in (
                client.post("/predict", json=ROW, headers={**header, "X-Request-ID": name}),
                client.post("/predict", content=b"{", headers=header),
                client.post("/jobs", json={"model": "iris", **ROW}, headers=header),
                client.post("/jobs", json={"model": "none", **ROW}, headers=header),
                client.post("/feedback", json={"model": "sentiment", "data": ["bien"], "label": "?"}, headers=header),
                client.get("/jobs/none", headers=header),
                client.get("/nowhere", headers=header),
            ):
                hunt.look("answers", answer.content, str(answer.headers))
            hunt.look("environment", *leaks.environments(containers))  # healthchecks come and go
    return name


@pytest.fixture
def canaries(lab_home: ContainerLab) -> dict[str, str]:
    """The values that `lab init` made, and a key that nobody has."""
    found = leaks.secrets_below(lab_home.home.secrets)
    assert len(set(found.values())) >= 6, "redis, postgres, elasticsearch, grafana, API keys"
    return {**found, "wrong key": secrets.token_urlsafe(32)}


def test_a_running_stack_shows_no_secret(
    compose_stack: ContainerLab, canaries: dict[str, str], figure: Callable[[str], None]
):
    hunt = Hunt(canaries)
    request = send(compose_stack, canaries["wrong key"], hunt)
    positive = Hunt({"request": request})  # the control: what is there is found by the same search
    found = by_service(compose_stack)
    own = Hunt(canaries)
    own.look("environment", *leaks.environments([found["postgres"]]))
    assert own.found <= POSTGRES_OWN
    for container in compose_stack.containers():
        hunt.look("inspect", compose_stack.output("docker", "inspect", container["Id"]))
        hunt.look("logs", leaks.logs_of(container["Id"]))
    access = compose_stack.output("docker", "exec", found["traefik"], "cat", "/var/log/traefik/access.log")
    jobs = set()
    for job, text in leaks.metrics_of(f"http://127.0.0.1:{compose_stack.base + 90}", found["prometheus"]):
        hunt.look("metrics", text)
        jobs.add(job)
    assert {"api", "worker", "collector", "traefik", "prometheus"} <= jobs
    password = (find(compose_stack.home.secrets, "elasticsearch-password")).read_text(encoding="ascii").strip()

    def stored() -> bool:
        positive.look("log store", *leaks.documents_of(f"http://127.0.0.1:{compose_stack.base + 99}", password))
        return bool(positive.found)

    eventually(stored, within=30, every=1)
    hunt.look("log store", *leaks.documents_of(f"http://127.0.0.1:{compose_stack.base + 99}", password))
    hunt.look("access log", access)
    positive.look("access log", access)
    assert positive.found == {"request in log store", "request in access log"}
    assert hunt.looked.keys() == PLACES
    assert all(hunt.looked.values()), hunt.looked
    assert hunt.found == set()
    seen = ", ".join(f"{place} {size / 1e6:.1f} MB" for place, size in sorted(hunt.looked.items()))
    figure(f"secrets: {len(set(canaries.values()))} values in none of {seen}")


def by_service(lab: ContainerLab) -> dict[str, str]:
    """Return the container of each service; of several replicas the last."""
    return {one["Config"]["Labels"]["com.docker.compose.service"]: one["Id"] for one in lab.containers()}


def find(folder: Path, name: str) -> Path:
    return next(folder.rglob(name))


def test_an_image_and_a_commit_made_where_the_secrets_are_hold_none(
    image: str, tmp_path: Path, figure: Callable[[str], None]
):
    """Built from a folder in which `lab init` was done: .dockerignore and .gitignore keep them out."""
    copy = CleanCopy(tmp_path)
    copy.must("init")
    hunt = Hunt(leaks.secrets_below(copy.home.secrets))
    built = f"{standins.OURS}:{copy.project}"
    copy.output("docker", "build", "-t", built, ".", within=600)
    try:
        hunt.look("history", leaks.image_history(built))
        hunt.stream("layers", leaks.image_content(built))
    finally:
        copy.output("docker", "image", "rm", built)
    copy.output("git", "init", "--quiet")
    copy.output("git", "add", "--all")
    names = copy.output("git", "ls-files", "-z").split("\0")[:-1]
    assert ".env" not in names
    hunt.look("git", *((copy.root / name).read_bytes() for name in names))
    assert hunt.found == set()
    assert hunt.looked["layers"] > 50e6
    figure(f"secrets: none in git or in an image of {hunt.looked['layers'] / 1e6:.0f} MB built beside them")


@pytest.fixture
def careless(image: str, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The control: a container whose image had one secret in a file, and has another in a variable and in its log."""
    canaries = {"file": secrets.token_urlsafe(32), "variable": secrets.token_urlsafe(32)}
    (tmp_path / "key").write_text(canaries["file"], encoding="ascii")
    lines = (
        f"FROM {image}",
        "USER 0",
        "COPY key /key",
        "RUN rm /key",
        f"ENV WORD={canaries['variable']}",
        "USER 10001",
    )
    (tmp_path / "Dockerfile").write_text("\n".join(lines), encoding="utf-8")
    name = f"{standins.OURS}:careless-{uuid.uuid4().hex[:8]}"
    subprocess.run(["docker", "build", "-t", name, tmp_path], check=True, capture_output=True)
    asleep = "import os, sys, time; print(os.environ['WORD'], flush=True); time.sleep(300)"
    command = ["docker", "run", "-d", "--rm", "--entrypoint", "python", name, "-c", asleep]
    started = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    yield started, canaries
    subprocess.run(["docker", "rm", "-f", "-v", started], check=True, capture_output=True)
    subprocess.run(["docker", "image", "rm", name], check=True, capture_output=True)


def test_a_careless_container_is_found_out(careless: tuple[str, dict[str, str]]):
    container, canaries = careless
    hunt = Hunt(canaries)
    image = leaks.output("docker", "inspect", "-f", "{{.Config.Image}}", container).strip()
    hunt.look("history", leaks.image_history(image))
    hunt.stream("layers", leaks.image_content(image))
    hunt.look("inspect", leaks.output("docker", "inspect", container))
    eventually(lambda: hunt.look("logs", leaks.logs_of(container)) or "variable in logs" in hunt.found)
    hunt.look("environment", *leaks.environments([container]))
    encoded = base64.b64encode(canaries["variable"].encode())
    hunt.stream("pieces", [b"." * 100 + encoded[:7], encoded[7:]])
    places = {"history", "layers", "inspect", "logs", "environment", "pieces"}
    assert hunt.found == {"file in layers", *(f"variable in {place}" for place in places)}
