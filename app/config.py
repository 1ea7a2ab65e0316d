"""Settings of our services: the only module that reads the environment."""

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec

PREFIX = "LAB_"
FROM_FILE = "_FILE"
PACKAGED_MODELS = Path(__file__).parent / "models"


_POSITIVE = (
    "redis_deadline",
    "cache_ttl",
    "cache_entries",
    "cache_bytes",
    "max_body_bytes",
    "max_rows",
    "max_in_flight",
    "max_queue_seconds",
    "max_batch_rows",
    "head_timeout",
    "body_timeout",
    "access_log_buffer",
    "kafka_replication",
    "kafka_deadline",
    "kafka_pending",
    "store_deadline",
    "result_ttl",
    "job_rate",
    "job_burst",
    "worker_batch",
    "retry_seconds",
    "logs_bytes",
    "collector_buffer",
)


_SERVER = re.compile(r"[^\s:,/]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5}").fullmatch
_GELF = re.compile(r"udp://([^\s:,/@]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})").fullmatch
# In a URL: user and password.
_CREDENTIALS = re.compile(r"(?<=://)\S+(?=@)")
# A file that holds one setting; more is none of ours, and an endless one must not be read.
_LARGEST_FILE = 64 << 10


class WrongSetting(Exception):
    """A LAB_* variable is unknown or its value does not fit; the text names it, the value and what is wanted."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a service is told from outside; field `api_port` is the variable LAB_API_PORT. Times in seconds."""

    api_host: str = "127.0.0.1"
    api_port: int = 18001
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 18101
    # Whose metrics and logs these are; the environment's default is the name of the host (of the container).
    replica: str = "api-1"
    # Which build of the service this is.
    release: str = "dev"
    models_dir: str = str(PACKAGED_MODELS)
    # Share of requests that go to a version other than the first: "forest:v2=10" is 10 %.
    canary: str = ""

    redis_url: str = ""
    redis_deadline: float = 0.05
    cache_ttl: float = 300.0
    cache_entries: int = 4096
    cache_bytes: int = 4 << 20

    # Kafka's bootstrap servers, comma-separated; without them jobs and feedback are refused.
    kafka: str = ""
    kafka_replication: int = 1
    # An accepted message is acknowledged within this time, or refused.
    kafka_deadline: float = 1.8
    kafka_pending: int = 10_000
    # The Redis that keeps jobs and quotas: not the cache, which may forget.
    store_url: str = ""
    store_deadline: float = 0.5
    result_ttl: float = 3600.0
    # Names and digests of the API keys, as `lab keys` writes them.
    api_keys_file: str = ""
    # Jobs and feedback of one key: per second, and at once.
    job_rate: float = 500.0
    job_burst: int = 1000
    # Where the worker keeps feedback: an SQLAlchemy URL.
    database_url: str = ""
    # Versions trained while the service runs, and which version answers: see app/adapters/routes_file.py.
    trained_dir: str = ""
    routes_file: str = ""
    worker_batch: int = 500
    # The longest pause between two tries of what may pass.
    retry_seconds: float = 1.0

    max_body_bytes: int = 1 << 20
    max_rows: int = 1024
    max_in_flight: int = 512
    # An accepted request of a heavy model waits in the queue for about this long at most.
    max_queue_seconds: float = 0.15
    max_batch_rows: int = 4096
    head_timeout: float = 5.0
    body_timeout: float = 10.0
    drain_seconds: float = 0.5

    # Off only to measure what it costs.
    access_log: bool = True
    metrics: bool = True
    access_log_buffer: int = 65536
    # Where logs go beside stdout: udp://HOST:PORT of a GELF input; empty: nowhere.
    gelf_url: str = ""

    # Discovery: the names of the replicas and of the canaries, NAME:PORT, and the canaries' share in percent.
    edge_stable: str = "api:8000"
    edge_canary: str = "api-canary:8000"
    edge_weight: int = 0

    # The collector: where it listens for GELF (UDP and TCP), which log file of the edge it follows, where it writes.
    gelf_host: str = "127.0.0.1"
    gelf_port: int = 12201
    follow_file: str = ""
    # Exactly one of the two: a folder of SQLite files, or a URL of Elasticsearch.
    logs_dir: str = ""
    elasticsearch_url: str = ""
    # The most that the store may take; the oldest records go first.
    logs_bytes: int = 256 << 20
    # Records that wait in memory while the store is away.
    collector_buffer: int = 50_000
    log_level: str = "INFO"


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Read LAB_* variables (of `environ`, else of the process) into Settings; LAB_X_FILE names a file that holds LAB_X.

    Raises WrongSetting for an unknown LAB_* variable, a value of the wrong type or range, and a file that cannot be
    read.
    """
    values = _given(os.environ if environ is None else environ)
    for field, value in values.items():
        try:
            msgspec.convert({field: value}, Settings, strict=False)
        except msgspec.ValidationError as error:
            raise WrongSetting(f"{PREFIX}{field.upper()}={shown(value)}: {error}") from None
    settings = msgspec.convert({"replica": socket.gethostname()} | values, Settings, strict=False)
    _check_ranges(settings)
    return settings


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what is set, by field."""
    fields = set(Settings.__struct_fields__)
    values: dict[str, str] = {}
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        field = name.removeprefix(PREFIX).lower()
        if field not in fields:
            content = name.removesuffix(FROM_FILE)
            field = content.removeprefix(PREFIX).lower()
            if name == content or field not in fields:
                raise WrongSetting(f"{name}={shown(value)}: no such setting; known: {', '.join(known_variables())}")
            if content in environ:
                raise WrongSetting(f"{content} and {name} are both set; which of them counts? next: unset one")
            value = _content(name, value)  # noqa: PLW2901 - the setting's value is what the file holds
        values[field] = value
    return values


def _content(name: str, path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            content = file.read(_LARGEST_FILE)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise WrongSetting(f"{name}={path!r}: the file cannot be read ({reason})") from None
    return content.strip()


def shown(value: str) -> str:
    """Return a value as messages show it: they end up in logs, where no password may be."""
    return repr(_CREDENTIALS.sub("***", value))


def known_variables() -> list[str]:
    return [PREFIX + field.upper() for field in Settings.__struct_fields__]


def gelf_address(url: str) -> tuple[str, int] | None:
    """Return host and port of a LAB_GELF_URL, None for an empty one. Raises WrongSetting."""
    if not url:
        return None
    found = _GELF(url)
    if found is None or not 1 <= int(found[2]) <= 65535:
        raise WrongSetting(f"LAB_GELF_URL={shown(url)}: give udp://HOST:PORT, such as udp://127.0.0.1:12201")
    return found[1].strip("[]"), int(found[2])


def _check_ranges(settings: Settings) -> None:
    for field in ("api_port", "metrics_port", "gelf_port"):
        port = getattr(settings, field)
        if not 1 <= port <= 65535:
            raise WrongSetting(f"{PREFIX}{field.upper()}={port}: a port is 1 to 65535")
    for field in ("redis_url", "store_url"):
        url = getattr(settings, field)
        if url and not url.startswith(("redis://", "rediss://", "unix://")):
            raise WrongSetting(f"{PREFIX}{field.upper()}={shown(url)}: give a URL such as redis://127.0.0.1:6379/0")
    gelf_address(settings.gelf_url)
    for server in settings.kafka.split(",") if settings.kafka else ():
        if not _SERVER(server):
            raise WrongSetting(
                f"LAB_KAFKA={shown(settings.kafka)}: {shown(server)} is not HOST:PORT; separate several by commas"
            )
    _check_edge(settings)
    for field in ("api_keys_file", "routes_file"):
        if Path(getattr(settings, field) or "no-such-folder").is_dir():
            raise WrongSetting(f"{PREFIX}{field.upper()}={getattr(settings, field)!r}: is a folder; name a file")
    for field in _POSITIVE:
        value = getattr(settings, field)
        if not 0 < value < float("inf"):
            raise WrongSetting(f"{PREFIX}{field.upper()}={value}: must be more than 0")
    if not 0 <= settings.drain_seconds <= 60:
        raise WrongSetting(f"LAB_DRAIN_SECONDS={settings.drain_seconds}: must be 0 to 60")
    if settings.log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise WrongSetting(f"LAB_LOG_LEVEL={settings.log_level!r}: one of DEBUG, INFO, WARNING, ERROR")


def _check_edge(settings: Settings) -> None:
    for field in ("edge_stable", "edge_canary"):
        address = getattr(settings, field)
        if address and not _SERVER(address):
            raise WrongSetting(f"{PREFIX}{field.upper()}={address!r}: give NAME:PORT, such as api:8000")
    if not 0 <= settings.edge_weight <= 100:
        raise WrongSetting(f"LAB_EDGE_WEIGHT={settings.edge_weight}: must be 0 to 100, the canary's share in percent")
