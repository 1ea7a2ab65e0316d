"""Settings from LAB_* variables."""

import re
import socket
from pathlib import Path

import pytest

from app.config import PREFIX, Settings, WrongSetting, from_environment, gelf_address, known_variables

SECRET = "correct-horse-battery"


def test_nothing_set_means_the_defaults_and_the_name_of_the_host():
    assert from_environment({"PATH": "/bin"}) == Settings(replica=socket.gethostname())


def test_an_empty_environment_is_not_replaced_by_the_process_environment(monkeypatch):
    monkeypatch.setenv("LAB_REPLICA", "api-9")
    assert from_environment({}).replica == socket.gethostname()
    assert from_environment().replica == "api-9"


def test_every_setting_is_read_from_its_variable():
    given = {"api_port": "25001", "redis_deadline": "0.25", "access_log": "false", "replica": "api-7"}
    settings = from_environment({f"LAB_{name.upper()}": value for name, value in given.items()})
    assert settings == Settings(api_port=25001, redis_deadline=0.25, access_log=False, replica="api-7")


def test_every_field_has_a_variable_of_its_name():
    assert known_variables() == [f"LAB_{field.upper()}" for field in Settings.__struct_fields__]


def test_an_unknown_variable_is_named_together_with_the_known_ones():
    with pytest.raises(WrongSetting, match=r"LAB_API_PROT='1'.*LAB_API_PORT") as refused:
        from_environment({"LAB_API_PROT": "1"})
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAB_API_PORT", "http"),
        ("LAB_API_PORT", ""),
        ("LAB_API_PORT", "0"),
        ("LAB_API_PORT", "65536"),
        ("LAB_METRICS_PORT", "-1"),
        ("LAB_ACCESS_LOG", "perhaps"),
        ("LAB_MAX_ROWS", "0"),
        ("LAB_MAX_ROWS", "1.5"),
        ("LAB_MAX_BODY_BYTES", "-1"),
        ("LAB_HEAD_TIMEOUT", "0"),
        ("LAB_BODY_TIMEOUT", "inf"),
        ("LAB_REDIS_DEADLINE", "nan"),
        ("LAB_CACHE_TTL", "soon"),
        ("LAB_DRAIN_SECONDS", "-1"),
        ("LAB_DRAIN_SECONDS", "61"),
        ("LAB_LOG_LEVEL", "LOUD"),
        ("LAB_REDIS_URL", "127.0.0.1:6379"),
        ("LAB_STORE_URL", "http://127.0.0.1:6379"),
        ("LAB_STORE_DEADLINE", "0"),
        ("LAB_KAFKA", "127.0.0.1"),
        ("LAB_KAFKA", "127.0.0.1:9092,"),
        ("LAB_KAFKA", "kafka://127.0.0.1:9092"),
        ("LAB_KAFKA_REPLICATION", "0"),
        ("LAB_KAFKA_DEADLINE", "-1"),
        ("LAB_RESULT_TTL", "0"),
        ("LAB_JOB_RATE", "0"),
        ("LAB_JOB_BURST", "0.5"),
        ("LAB_API_KEYS_FILE", str(Path(__file__).parent)),
        ("LAB_ROUTES_FILE", str(Path(__file__).parent)),
        ("LAB_GELF_URL", "127.0.0.1:12201"),
        ("LAB_GELF_URL", "tcp://127.0.0.1:12201"),
        ("LAB_GELF_URL", "udp://127.0.0.1"),
        ("LAB_GELF_URL", "udp://127.0.0.1:0"),
        ("LAB_GELF_URL", "udp://127.0.0.1:65536"),
        ("LAB_GELF_URL", "udp://127.0.0.1:12201/path"),
        ("LAB_GELF_URL", "udp://::1:12201"),
        ("LAB_GELF_PORT", "0"),
        ("LAB_LOGS_BYTES", "0"),
        ("LAB_COLLECTOR_BUFFER", "0"),
    ],
)
def test_a_wrong_value_is_refused_with_its_variable_and_the_value(name, value):
    with pytest.raises(WrongSetting) as refused:
        from_environment({name: value})
    assert name in str(refused.value)
    assert value in str(refused.value)


def test_a_setting_may_stand_in_a_file(tmp_path):
    file = tmp_path / "redis-url"
    file.write_text(f"redis://:{SECRET}@redis:6379/0\n")
    settings = from_environment({"LAB_REDIS_URL_FILE": str(file), "LAB_RELEASE": "7"})
    assert settings == Settings(redis_url=f"redis://:{SECRET}@redis:6379/0", release="7", replica=socket.gethostname())


def test_what_a_file_holds_is_checked_like_any_value(tmp_path):
    file = tmp_path / "port"
    file.write_text("70000")
    with pytest.raises(WrongSetting, match="LAB_API_PORT=70000: a port is 1 to 65535"):
        from_environment({"LAB_API_PORT_FILE": str(file)})


@pytest.mark.parametrize("field", [field for field in Settings.__struct_fields__ if field.endswith("_file")])
def test_a_setting_that_names_a_file_is_not_replaced_by_what_the_file_holds(field, tmp_path):
    file = tmp_path / "file"
    file.write_text("content")
    assert getattr(from_environment({f"{PREFIX}{field.upper()}": str(file)}), field) == str(file)


def test_a_setting_and_a_file_of_it_at_once_are_refused(tmp_path):
    file = tmp_path / "redis-url"
    file.write_text("redis://redis:6379/0")
    both = {"LAB_REDIS_URL": "redis://redis:6379/1", "LAB_REDIS_URL_FILE": str(file)}
    with pytest.raises(WrongSetting, match="LAB_REDIS_URL and LAB_REDIS_URL_FILE are both set"):
        from_environment(both)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, reason in (("missing", "No such file"), ("", "Is a directory"), ("binary", "is no text")):
        with pytest.raises(WrongSetting, match=reason) as refused:
            from_environment({"LAB_REDIS_URL_FILE": f"{tmp_path / name}"})
        assert "LAB_REDIS_URL_FILE" in str(refused.value)


@pytest.mark.parametrize("name", ["LAB_FILE", "LAB_REDIS_FILE", "LAB_API_KEYS_FILE_FILE_FILE"])
def test_a_file_of_no_setting_is_refused(name):
    with pytest.raises(WrongSetting, match="no such setting"):
        from_environment({name: "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAB_REDIS_URL", f"http://:{SECRET}@redis:6379/0"),
        ("LAB_STORE_URL", f"http://lab:{SECRET}@redis:6379/0"),
        ("LAB_GELF_URL", f"udp://lab:{SECRET}@collector:12201"),
        ("LAB_KAFKA", f"kafka://lab:{SECRET}@kafka:9092"),
        ("LAB_DATABASE_ULR", f"postgresql+psycopg://lab:{SECRET}@postgres/lab"),
        ("LAB_API_PORT", f"redis://:{SECRET}/with@signs@redis:6379/0"),
    ],
)
def test_no_message_shows_a_password(name, value, tmp_path):
    """Messages end up in logs."""
    with pytest.raises(WrongSetting, match=name) as refused:
        from_environment({name: value})
    assert SECRET not in str(refused.value)
    if name in known_variables():
        file = tmp_path / "value"
        file.write_text(value)
        with pytest.raises(WrongSetting, match=name) as refused:
            from_environment({f"{name}_FILE": str(file)})
        assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [("", None), ("udp://graylog:12201", ("graylog", 12201)), ("udp://[::1]:18201", ("::1", 18201))],
)
def test_where_logs_go_is_host_and_port(url, address):
    assert gelf_address(from_environment({"LAB_GELF_URL": url}).gelf_url) == address


def test_no_other_module_reads_the_environment():
    app = Path(__file__).parents[2] / "app"
    reads = re.compile(r"os\.environ|os\.getenv|from os import .*environ")
    found = [path.relative_to(app).as_posix() for path in app.rglob("*.py") if reads.search(path.read_text())]
    assert found == ["config.py"]
