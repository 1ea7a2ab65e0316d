"""`lab keys`: the service gets digests only, what lab uses itself is kept for its owner alone."""

import hashlib
import json
import stat
from pathlib import Path

import pytest

from labkit.errors import CannotRun
from labkit.keys.keyring import KeyRing

LOAD = tuple(f"load-{number}" for number in range(1, 9))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    KeyRing(tmp_path / "secrets").make_own()
    return tmp_path / "secrets"


def digests(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "api-keys.json").read_text())
    return found


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def kept(folder: Path) -> list[str]:
    return [*(folder / "api-key").read_text().split(), *(folder / "load-keys").read_text().split()]


def test_lab_makes_its_own_keys_and_the_service_gets_their_digests(folder: Path) -> None:
    assert [digests(folder)[name] for name in ("student", *LOAD)] == [sha256(key) for key in kept(folder)]
    assert len(set(kept(folder))) == 9
    assert all(len(key) >= 32 for key in kept(folder))
    assert not any(key in (folder / "api-keys.json").read_text() for key in kept(folder))


def test_only_the_owner_can_read_keys(folder: Path) -> None:
    KeyRing(folder).add("ana")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"api-key": 0o600, "load-keys": 0o600, "api-keys.json": 0o600}


def test_a_later_start_keeps_every_key(folder: Path) -> None:
    added = KeyRing(folder).add("ana")
    before = kept(folder)
    KeyRing(folder).make_own()
    assert kept(folder) == before
    assert digests(folder)["ana"] == sha256(added)


@pytest.mark.parametrize("name", ["student", "load-3"])
def test_a_removed_key_never_comes_back_with_the_next_start(folder: Path, name: str) -> None:
    gone = digests(folder)[name]
    KeyRing(folder).remove(name)
    assert gone not in map(sha256, "".join(path.read_text() for path in folder.glob("*key*")).split())
    KeyRing(folder).make_own()
    assert name in digests(folder)
    assert gone not in digests(folder).values()
    assert [digests(folder)[client] for client in ("student", *LOAD)] == [sha256(key) for key in kept(folder)]


def test_a_key_of_an_earlier_version_or_of_the_owners_choice_is_taken_over(folder: Path) -> None:
    (folder / "api-key").write_text("chosen-by-the-teacher\n")
    KeyRing(folder).make_own()
    assert digests(folder)["student"] == sha256("chosen-by-the-teacher")
    (folder / "api-keys.json").unlink()
    before = kept(folder)
    KeyRing(folder).make_own()
    assert kept(folder) == before
    assert len(digests(folder)) == 9


def test_a_clients_key_is_shown_once_and_can_be_taken_away(folder: Path) -> None:
    ring = KeyRing(folder)
    key = ring.add("ana-2")
    assert digests(folder)["ana-2"] == sha256(key)
    assert not any(key in path.read_text() for path in folder.iterdir())
    with pytest.raises(CannotRun, match="ana-2 has a key already"):
        ring.add("ana-2")
    ring.remove("ana-2")
    assert "ana-2" not in ring.names()
    with pytest.raises(CannotRun, match="no client 'ana-2' has a key; there are: load-1"):
        ring.remove("ana-2")


@pytest.mark.parametrize("name", ["", "Ana", "ana b", "a" * 33, "ana\n", "año", "../x"])
def test_a_name_that_could_be_mistaken_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(CannotRun, match="cannot be a client's name"):
        KeyRing(folder).add(name)


@pytest.mark.parametrize("text", ["{", "[]", '{"ana": 1}'])
def test_a_damaged_file_is_named_and_left_alone(folder: Path, text: str) -> None:
    (folder / "api-keys.json").write_text(text)
    with pytest.raises(CannotRun, match=r"api-keys\.json is no list of keys"):
        KeyRing(folder).make_own()
    assert (folder / "api-keys.json").read_text() == text
