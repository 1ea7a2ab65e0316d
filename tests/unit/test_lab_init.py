"""What `lab init` makes: secrets that stay, variables that can be changed, and nothing that others may read."""

import json
import stat
from pathlib import Path

import pytest

from labkit.engines.env_file import file_of, read_variables, set_variables
from labkit.engines.preparation import prepare
from labkit.engines.secrets import PASSWORDS, folder_of, following
from labkit.home import Home
from labkit.keys.keyring import KeyRing


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, tmp_path / ".lab")


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_new_and_unlike_each_other(home: Home) -> None:
    made = prepare(home, {})
    assert (made.secrets.new, made.secrets.kept) == (PASSWORDS, ())
    found = contents(folder_of(home))
    passwords = [found[name] for name in PASSWORDS]
    assert len(set(passwords)) == len(PASSWORDS)
    assert all(len(password) == 48 for password in passwords)


def test_a_second_time_changes_nothing(home: Home) -> None:
    prepare(home, {})
    before = contents(folder_of(home)), contents(home.secrets), file_of(home).read_text()
    again = prepare(home, {})
    assert (again.secrets.new, again.secrets.kept) == ((), PASSWORDS)
    assert (contents(folder_of(home)), contents(home.secrets), file_of(home).read_text()) == before


def test_a_password_of_ones_own_stays_and_the_urls_follow(home: Home) -> None:
    prepare(home, {})
    (folder_of(home) / "redis-password").write_text("mine\n")
    prepare(home, {})
    found = contents(folder_of(home))
    assert found["redis-password"] == "mine\n"
    assert found["redis-url"] == "redis://:mine@redis:6379/0"
    assert found["redis.conf"] == "requirepass mine\n"


def test_a_missing_secret_alone_is_made_again(home: Home) -> None:
    prepare(home, {})
    (folder_of(home) / "grafana-password").unlink()
    assert prepare(home, {}).secrets.new == ("grafana-password",)


def test_nobody_else_gets_as_far_as_the_secrets(home: Home) -> None:
    prepare(home, {})
    assert mode(home.secrets) == 0o700
    # Within it any user of a container reads them: it is mounted file by file.
    assert mode(folder_of(home)) == 0o755
    assert {mode(path) for path in folder_of(home).iterdir() if path.is_file()} == {0o644}
    assert mode(home.data / "containers") == 0o700


def test_a_strict_umask_does_not_lock_the_containers_out(home: Home) -> None:
    import os

    before = os.umask(0o077)
    try:
        prepare(home, {})
    finally:
        os.umask(before)
    assert mode(folder_of(home)) == 0o755
    assert {mode(path) for path in folder_of(home).iterdir() if path.is_file()} == {0o644}
    assert mode(folder_of(home) / "keys" / "api-keys.json") == 0o644


def test_a_client_that_is_added_reaches_the_containers(home: Home) -> None:
    prepare(home, {})
    shared = folder_of(home) / "keys" / "api-keys.json"
    KeyRing(home.secrets).add("ana")
    assert "ana" in json.loads(shared.read_text())
    assert json.loads(shared.read_text()) == json.loads((home.secrets / "api-keys.json").read_text())
    KeyRing(home.secrets).remove("ana")
    assert "ana" not in json.loads(shared.read_text())


def test_keys_are_not_shared_before_lab_init(home: Home) -> None:
    KeyRing(home.secrets).make_own()
    assert not folder_of(home).exists()


def test_the_variables_name_folders_project_and_ports(home: Home) -> None:
    variables = prepare(home, {}).variables
    assert file_of(home) == home.root / ".env"
    assert variables["COMPOSE_PROJECT_NAME"] == "observability-lab"
    assert variables["LAB_SECRETS"] == str(folder_of(home))
    assert (variables["LAB_EDGE_PORT"], variables["LAB_GRAFANA_PORT"]) == ("18080", "18230")


def test_another_state_folder_has_a_file_and_a_project_of_its_own(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "other")
    made = prepare(home, {"LAB_PORT_BASE": "33000"})
    assert made.env_file == home.lab / "compose.env"
    assert made.variables["COMPOSE_PROJECT_NAME"] == "observability-lab-33000"
    assert made.variables["LAB_EDGE_PORT"] == "33080"
    assert not (tmp_path / ".env").exists()


def test_what_was_changed_by_hand_stays_but_ports_follow_their_base(home: Home) -> None:
    prepare(home, {})
    set_variables(home, {"LAB_RELEASE": "7", "LAB_EDGE_PORT": "9999", "MINE": "a b"})
    file_of(home).write_text(file_of(home).read_text() + "# a note\n")
    assert prepare(home, {}).variables["LAB_EDGE_PORT"] == "9999"
    moved = prepare(home, {"LAB_PORT_BASE": "20000"}).variables
    assert (moved["LAB_EDGE_PORT"], moved["LAB_RELEASE"], moved["MINE"]) == ("20080", "7", "a b")
    assert "# a note" in file_of(home).read_text()


def test_kustomize_gets_copies_where_its_overlay_is(home: Home) -> None:
    overlay = home.root / "k8s" / "overlays" / "local"
    overlay.mkdir(parents=True)
    prepare(home, {})
    copies = contents(overlay / "secrets")
    assert mode(overlay / "secrets") == 0o700
    assert copies.items() >= contents(folder_of(home)).items()
    assert "api-keys.json" in copies


def test_what_a_machine_is_told_holds_no_secret(home: Home) -> None:
    told = json.dumps(prepare(home, {}).to_dict())
    secrets = [*contents(folder_of(home)).values(), *contents(home.secrets).values()]
    assert not [text for text in secrets if text.strip() in told]


def test_every_url_carries_the_password_of_its_server() -> None:
    made = following({name: f"secret-of-{name}" for name in PASSWORDS})
    assert "secret-of-postgres-password@postgres" in made["database-url"]
    assert "secret-of-elasticsearch-password@elasticsearch" in made["elasticsearch-url"]
    assert "secret-of-mongodb-password@mongodb" in made["graylog-mongodb-uri"]
    assert len(made["graylog-root-password-sha2"]) == 64


def test_variables_are_read_as_compose_reads_them(home: Home) -> None:
    file_of(home).write_text("# A=1\nB=two words\nC='quoted'\n\nD=\n")
    assert read_variables(file_of(home)) == {"B": "two words", "C": "quoted", "D": ""}
