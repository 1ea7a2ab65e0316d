"""Every notebook runs from its first cell to its last: on a real stack after a load, and on recorded samples."""

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from kafka import KafkaAdminClient

from labkit.kafka.connection import ask
from labkit.kafka.facts import group_names, topics
from labkit.stack.ports import free
from labkit.urls import discover
from tests.eventually import eventually
from tests.integration.stack_folder import LAB, ROOT, StackFolder, says

NAMES = sorted(file.stem for file in (ROOT / "notebooks").glob("*.ipynb"))
PLOT = "application/vnd.plotly.v1+json"
KNOWN = re.compile("importlib|is deprecated")  # kafka-python's, in the project's own filterwarnings

each = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackFolder]:
    """A stack after ten seconds of load."""
    stack = StackFolder(tmp_path_factory.mktemp("notebooks"))
    try:
        says(stack, "up")
        done = stack.lab("load", "smoke")
        assert done.returncode in (0, 1), done.stderr  # 1: an objective was missed on a busy machine
        yield stack
    finally:
        stack.lab("down")
    assert stack.listening() == []


@pytest.fixture(scope="module")
def no_stack(tmp_path_factory: pytest.TempPathFactory) -> StackFolder:
    return StackFolder(tmp_path_factory.mktemp("samples"))


@cache
def executed(stack: StackFolder, name: str) -> dict[str, Any]:
    """Run a notebook once, its every warning shown; return what the command says, with the executed notebook."""
    done = stack.lab("notebook", name, "--execute", "--json", PYTHONWARNINGS="default")
    assert done.returncode == 0, done.stdout + done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts | {"book": nbformat.read(facts["file"], as_version=4)}  # type: ignore[no-untyped-call]


def outputs(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [one for cell in book.cells if cell.cell_type == "code" for one in cell.outputs]


def assert_complete(facts: dict[str, Any]) -> None:
    """Assert what holds of every notebook that was executed, wherever its answers came from."""
    said = [one.text for one in outputs(facts["book"]) if one.output_type == "stream" and one.name == "stderr"]
    warned = [line for line in "".join(said).splitlines() if "Warning" in line and not KNOWN.search(line)]
    assert warned == []
    assert re.search(r"\d", facts["answer"])
    assert "nan" not in facts["answer"]
    drawn = [one.data[PLOT] for one in outputs(facts["book"]) if PLOT in one.get("data", {})]
    assert drawn
    for figure in drawn:
        assert figure["layout"]["xaxis"]["title"]["text"]
        assert figure["layout"]["yaxis"]["title"]["text"]
        assert any(len(trace.get("x", ())) for trace in figure["data"])
    for one in outputs(facts["book"]):
        assert "text/html" not in one.get("data", {}) or "<script" not in one.data["text/html"]  # no page, no network


@each
def test_it_runs_on_the_stack_that_is_up(stack: StackFolder, name: str) -> None:
    facts = executed(stack, name)
    assert facts["source"].startswith(f"live: http://127.0.0.1:{stack.base + 80}")
    assert_complete(facts)


@each
def test_it_runs_on_recorded_samples_when_no_stack_is_up(no_stack: StackFolder, name: str) -> None:
    facts = executed(no_stack, name)
    assert facts["source"].startswith(f"recorded: notebooks/samples/{name}, from a real stack on ")
    assert_complete(facts)


def test_the_live_answers_are_the_stacks_own(stack: StackFolder) -> None:
    """The count of requests that the notebook reads out of the run is the one that the run was judged by."""
    summary = json.loads(stack.lab("report", "last", "--json").stdout)  # whatever the verdict: a busy machine is slow
    facts = executed(stack, "read-a-load-test")
    assert f"{summary['totals']['sent']:,} requests." in facts["answer"]


def test_the_kafka_notebook_leaves_no_topic_and_no_group(stack: StackFolder) -> None:
    servers = discover(stack.environment(), stack.home).kafka
    assert servers

    def left(client: KafkaAdminClient) -> list[str]:
        names = [topic.name for topic in topics(client)] + group_names(client)
        return [name for name in names if name.startswith("notebook-")]

    executed(stack, "kafka-as-a-client")
    assert ask(servers, left) == []


def test_jupyterlab_opens_on_loopback_asks_for_its_token_and_ends_by_ctrl_c(
    no_stack: StackFolder, tmp_path: Path
) -> None:
    port = next(port for port in range(no_stack.base, no_stack.base + 400) if free(port))
    work = tmp_path / "work"
    arguments = ["notebook", "logs", "--no-browser", "--port", str(port)]
    environment = no_stack.environment(LAB_WORK=str(work))
    with (tmp_path / "said").open("wb") as said:
        server = subprocess.Popen([LAB, *arguments], env=environment, stdout=said, stderr=said)
    try:
        status = eventually(lambda: answer(f"http://127.0.0.1:{port}/api/contents"), within=60, what="JupyterLab")
        text = (tmp_path / "said").read_text()
        token = re.search(r"/lab/tree/logs\.ipynb\?token=(\w+)", text)
        assert status == 403
        assert token, text
        assert answer(f"http://127.0.0.1:{port}/api/contents/logs.ipynb?token={token[1]}") == 200
        assert (work / "notebooks" / "logs.ipynb").is_file()
        assert listens_on(server.pid) == {"127.0.0.1"}
    finally:
        for number in (signal.SIGINT, signal.SIGINT):  # it asks, and takes the second one as a yes
            os.kill(server.pid, number)
        assert server.wait(timeout=30) in (0, 130, -signal.SIGINT)


def answer(url: str) -> int | None:
    """Return the status of an answer, None while nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=5) as found:
            return int(found.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


def listens_on(pid: int) -> set[str]:
    return {one.laddr.ip for one in psutil.Process(pid).net_connections("inet") if one.status == psutil.CONN_LISTEN}
