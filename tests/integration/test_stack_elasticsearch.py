"""Elasticsearch's assembly: made once of locked jars, used as it was made or not at all."""

import shutil
from pathlib import Path

import pytest

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain import elasticsearch, java
from labkit.stack.obtain.user_cache import caches
from tests.elasticsearch_server import ElasticsearchServer
from tests.service import ROOT

NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


def quiet(_text: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="session")
def assembly() -> Path:
    """The assembly in the user's cache, made unless it is there."""
    home = Home(ROOT, ROOT / ".lab")
    return Path((elasticsearch.find(home) or elasticsearch.obtain(home, quiet)).arguments[-1])


@pytest.fixture
def home(tmp_path: Path, assembly: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A state folder and a user's cache of the test's own, with nothing but Java in them, and no network."""
    runtime = java.find(Home(ROOT, ROOT / ".lab"), elasticsearch.JAVA)
    assert runtime is not None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user cache"))
    monkeypatch.setenv("JAVA_HOME", str(Path(runtime.path).parents[1]))
    for name, value in NO_NETWORK.items():
        monkeypatch.setenv(name, value)
    return Home(ROOT, tmp_path / "with space" / ".lab")


@pytest.fixture
def copied(home: Home, assembly: Path) -> Path:
    """The assembly in the cache of the test's own."""
    folder = caches(home)[0] / assembly.name
    shutil.copytree(assembly, folder)
    return folder


def test_an_assembly_that_is_as_it_was_made_needs_no_network(home: Home, copied: Path) -> None:
    found = elasticsearch.find(home)
    assert found is not None
    assert found.arguments[-1] == str(copied)
    assert elasticsearch.obtain(home, quiet) == found
    assert "our own assembly" in found.origin, "it is not the distribution, and says so"


def test_a_jar_changed_by_one_byte_is_not_used(home: Home, copied: Path) -> None:
    jar = copied / "lib" / "elasticsearch-9.5.3.jar"
    data = bytearray(jar.read_bytes())
    data[len(data) // 2] ^= 1
    jar.write_bytes(data)
    assert elasticsearch.find(home) is None


@pytest.mark.parametrize(
    "name", ["classes/lab/Node.class", "lib/lz4-java-1.11.1.jar", "modules/rest-root-min/root.jar"]
)
def test_an_assembly_that_lacks_a_part_is_not_used(home: Home, copied: Path, name: str) -> None:
    (copied / name).unlink()
    assert elasticsearch.find(home) is None


def test_without_it_and_without_network_one_line_says_what_to_do(home: Home) -> None:
    assert "fetch 54 jars (47 MB) from Maven Central" in elasticsearch.would(home)
    with pytest.raises(CannotRun, match=r"cannot be fetched from Maven Central .*next: .*without Elasticsearch"):
        elasticsearch.obtain(home, quiet)


def test_it_answers_as_clients_ask_first(elasticsearch: ElasticsearchServer) -> None:
    answer = elasticsearch.ask("GET", "/")
    assert answer["cluster_name"] == "elasticsearch"
    assert answer["version"]["number"] == "9.5.3"
