"""Settings of our services: the only module that reads the environment."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

PREFIX = "LAB_"
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


class WrongSetting(Exception):
    """A LAB_* variable is unknown or its value does not fit; the text names it, the value and what is wanted."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a service is told from outside; field `api_port` is the variable LAB_API_PORT. Times in seconds."""

    api_host: str = "127.0.0.1"
    api_port: int = 18001
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 18101
    replica: str = "api-1"
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
    """Read LAB_* variables (of `environ`, else of the process) into Settings.

    Raises WrongSetting for an unknown LAB_* variable or a value of the wrong type or range.
    """
    source = os.environ if environ is None else environ
    given = {name: value for name, value in source.items() if name.startswith(PREFIX)}
    fields = set(Settings.__struct_fields__)
    values: dict[str, str] = {}
    for name, value in sorted(given.items()):
        field = name.removeprefix(PREFIX).lower()
        if field not in fields:
            raise WrongSetting(f"{name}={value!r}: no such setting; known: {', '.join(known_variables())}")
        values[field] = value
    for field, value in values.items():
        try:
            msgspec.convert({field: value}, Settings, strict=False)
        except msgspec.ValidationError as error:
            raise WrongSetting(f"{PREFIX}{field.upper()}={value!r}: {error}") from None
    settings = msgspec.convert(values, Settings, strict=False)
    _check_ranges(settings)
    return settings


def known_variables() -> list[str]:
    return [PREFIX + field.upper() for field in Settings.__struct_fields__]


def gelf_address(url: str) -> tuple[str, int] | None:
    """Return host and port of a LAB_GELF_URL, None for an empty one. Raises WrongSetting."""
    if not url:
        return None
    found = _GELF(url)
    if found is None or not 1 <= int(found[2]) <= 65535:
        raise WrongSetting(f"LAB_GELF_URL={url!r}: give udp://HOST:PORT, such as udp://127.0.0.1:12201")
    return found[1].strip("[]"), int(found[2])


def _check_ranges(settings: Settings) -> None:
    for field in ("api_port", "metrics_port", "gelf_port"):
        port = getattr(settings, field)
        if not 1 <= port <= 65535:
            raise WrongSetting(f"{PREFIX}{field.upper()}={port}: a port is 1 to 65535")
    for field in ("redis_url", "store_url"):
        url = getattr(settings, field)
        if url and not url.startswith(("redis://", "rediss://", "unix://")):
            raise WrongSetting(f"{PREFIX}{field.upper()}={url!r}: give a URL such as redis://127.0.0.1:6379/0")
    gelf_address(settings.gelf_url)
    for server in settings.kafka.split(",") if settings.kafka else ():
        if not _SERVER(server):
            raise WrongSetting(f"LAB_KAFKA={settings.kafka!r}: {server!r} is not HOST:PORT; separate several by commas")
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
