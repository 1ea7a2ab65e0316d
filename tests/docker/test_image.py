"""The image itself: small, nobody is root, nothing to build with, every model answers, and it begins and ends well."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.adapters.model_files import load, versions_in
from app.config import PACKAGED_MODELS
from tests.eventually import eventually
from tests.sample_rows import IRIS, ROWS
from tests.samples.opinions import LABELLED
from tests.samples.trained_versions import give

LARGEST_MB = 350
CONFINED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
# By name, wherever they are; and what runs with the rights of its owner.
TOOLS = r"/(gcc|cc|g\+\+|clang|tcc|ld|as|make|cmake|pip[0-9.]*|apt-get|apt|dpkg|perl|uv)$"
SEARCH = f"find / -xdev -type f -perm /6000; find / -xdev '(' -type f -o -type l ')' | grep -E '{TOOLS}'; true"


def docker(*arguments: str) -> str:
    """Run a docker command that has to work, and return what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr[-1000:]}"
    return done.stdout.strip()


def of_container(name: str, form: str) -> str:
    return docker("inspect", "-f", form, name)


@contextmanager
def container(image: str, *options: str, command: tuple[str, ...] = ()) -> Iterator[str]:
    """A container of the image, as confined as any of ours; yields its id."""
    name = docker("run", "-d", *CONFINED, *options, image, *command)
    try:
        yield name
    finally:
        docker("rm", "-f", "-v", name)


def healthy(name: str) -> bool:
    """Ask as the healthcheck of the image does."""
    asked = ["docker", "exec", name, "python", "-m", "app", "health"]
    return subprocess.run(asked, capture_output=True, timeout=60, check=False).returncode == 0


@contextmanager
def api(image: str, *options: str) -> Iterator[tuple[str, httpx.Client]]:
    """A ready api; yields the container and a client of it."""
    with container(image, "-p", "127.0.0.1::8000", *options) as name:
        address = docker("port", name, "8000/tcp").splitlines()[0]
        with httpx.Client(base_url=f"http://{address}", timeout=30, trust_env=False) as client:
            eventually(lambda: client.get("/readyz").status_code == 200, within=240, every=0.5, what="the api is ready")
            yield name, client


@pytest.fixture(scope="module")
def running(image: str) -> Iterator[tuple[str, httpx.Client]]:
    with api(image) as made:
        yield made


def test_it_is_small(image: str, figure: Callable[[str], None]):
    size = int(docker("image", "inspect", "-f", "{{.Size}}", image)) / 1e6
    figure(f"image: {image} has {size:.0f} MB, at most {LARGEST_MB} are allowed")
    assert size <= LARGEST_MB


def test_it_says_what_it_is(image: str):
    facts = json.loads(docker("image", "inspect", image))[0]["Config"]
    release = image.partition(":")[2]
    assert facts["User"] == "10001:10001"
    assert facts["Labels"]["org.opencontainers.image.version"] == release
    assert f"LAB_RELEASE={release}" in facts["Env"]
    assert facts["Healthcheck"]["Test"] == ["CMD", "python", "-m", "app", "health"]


def test_there_is_nothing_to_build_with_and_no_program_of_root(image: str, running: tuple[str, httpx.Client]):
    name, _ = running
    assert docker("exec", name, "sh", "-c", SEARCH) == ""


def test_the_same_search_finds_them_in_the_base(stack_images: list[str]):
    """The control of the test above."""
    base = "python:3.12-slim-bookworm"
    found = docker("run", "--rm", "--network", "none", base, "sh", "-c", SEARCH).split()
    assert {"/usr/bin/dpkg", "/usr/bin/apt-get", "/usr/bin/perl", "/usr/bin/su"} <= set(found)


def test_processes_are_nobody_special_behind_a_first_one_that_reaps(running: tuple[str, httpx.Client]):
    name, _ = running
    look = "import os; print(os.getuid(), os.getgid(), open('/proc/1/comm').read().strip())"
    assert docker("exec", name, "python", "-c", look) == "10001 10001 tini"


def test_a_read_only_container_predicts(running: tuple[str, httpx.Client]):
    name, client = running
    assert of_container(name, "{{.HostConfig.ReadonlyRootfs}}") == "true"
    answer = client.post("/predict", json={"data": IRIS})
    assert (answer.status_code, answer.json()) == (200, {"result": [0, 2]})


def test_every_version_of_every_model_answers_as_it_does_outside(image: str, running: tuple[str, httpx.Client]):
    """What was left out of the packages is missed by no model: scikit-learn's forest and both of ONNX among them."""
    _, client = running
    with api(image, "-e", "LAB_CANARY=forest:v2=100") as (_, canary):
        seen = set()
        for kernel in load(PACKAGED_MODELS):
            info, row = kernel.info, ROWS[kernel.info.name]
            asked = canary if (info.name, info.version) == ("forest", "v2") else client
            answer = asked.post(f"/models/{info.name}/predict", json={"data": [row]})
            assert (answer.status_code, answer.headers["X-Model-Version"]) == (200, info.version)
            assert answer.json()["result"] == pytest.approx(kernel.predict([row]).result)
            seen.add(info.name)
        assert seen == set(ROWS)


def test_its_metrics_name_the_release(image: str, running: tuple[str, httpx.Client]):
    name, _ = running
    ask = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9100/metrics').read().decode())"
    release = image.partition(":")[2]
    assert f'service_info{{release="{release}"}} 1.0' in docker("exec", name, "python", "-c", ask)


def test_logs_name_the_container_that_wrote_them(running: tuple[str, httpx.Client]):
    name, client = running
    client.get("/healthz")

    def hosts() -> set[str]:
        lines = docker("logs", name).splitlines()
        return {json.loads(line)["host"] for line in lines if line.startswith("{")}

    assert eventually(hosts, what="a record on stdout") == {of_container(name, "{{.Config.Hostname}}")}


def test_retraining_works_in_it(image: str, tmp_path: Path):
    """It needs more of scikit-learn than serving does; a second time there is nothing new, and exit code 1."""
    give(tmp_path, [("ana", text, label) for text, label in LABELLED])
    (tmp_path / "feedback.db").chmod(0o666)
    tmp_path.chmod(0o777)  # the container's user is another one
    settings = ("-e", "LAB_DATABASE_URL=sqlite:////data/feedback.db", "-e", "LAB_TRAINED_DIR=/data/trained")
    for code, told in (("0", "registered as v2"), ("1", "refused: no new usable feedback since v2")):
        with container(image, "-v", f"{tmp_path}:/data", *settings, command=("train", "sentiment")) as name:
            assert docker("wait", name) == code
            assert told in docker("logs", name)
    assert versions_in(tmp_path / "trained", "sentiment") == ["v2"]


@pytest.mark.parametrize("command", ["worker", "collector"])
def test_a_service_whose_dependencies_are_no_names_yet_waits_for_them_and_ends_well(image: str, command: str):
    """Nobody answers on this network, not even for a name: that is no reason to end, and none to hang at the end."""
    addresses = {
        "LAB_KAFKA": "kafka:9092",
        "LAB_STORE_URL": "redis://redis:6379/1",
        "LAB_GELF_URL": "udp://collector:12201",
        "LAB_DATABASE_URL": "postgresql+psycopg://lab@postgres/lab",
        "LAB_ELASTICSEARCH_URL": "http://elasticsearch:9200",
    }
    options = [part for name, value in addresses.items() for part in ("-e", f"{name}={value}")]
    with container(image, "--network", "none", *options, command=(command,)) as name:

        def alive() -> bool:
            shown = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9100/healthz').status)"
            return docker("exec", name, "python", "-c", shown) == "200"

        eventually(alive, within=120, every=0.5, what=f"the {command} lives")
        docker("stop", "-t", "30", name)
        assert of_container(name, "{{.State.ExitCode}} {{.RestartCount}}") == "0 0"


def test_an_api_that_is_stopped_says_so_first_serves_on_and_ends_well(image: str):
    """Whoever balances must see it before connections are refused: health turns 1 while requests are answered."""
    with api(image, "-e", "LAB_DRAIN_SECONDS=4") as (name, client):
        assert healthy(name)
        docker("kill", "-s", "TERM", name)
        eventually(lambda: client.get("/readyz").status_code == 503, within=3, what="readiness goes down")
        assert client.post("/predict", json={"data": IRIS}).json() == {"result": [0, 2]}
        assert not healthy(name)
        assert docker("wait", name) == "0"


def test_a_container_in_which_nothing_serves_is_not_healthy(image: str):
    with container(image, "--entrypoint", "sleep", command=("600",)) as name:
        assert not healthy(name)
