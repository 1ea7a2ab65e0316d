"""What the programs of this lab share: where the brokers are, your own numbers, the files that they write."""

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

from kafka import KafkaAdminClient

FOLDER = Path(__file__).parent
BROKERS = ["127.0.0.1:18092", "127.0.0.1:18094", "127.0.0.1:18096"]
TOPIC = "trucks"
SENT = FOLDER / "sent.jsonl"
READ = FOLDER / "read"


def own_numbers() -> dict[str, int]:
    """Return the numbers in task.env, which are yours alone: PARTITIONS, TRUCKS, BROKER."""
    lines = (FOLDER / "task.env").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("=") for line in lines if line and not line.startswith("#"))
    return {name: int(value) for name, value in pairs}


def truck_names() -> list[str]:
    """Return the ids of your trucks: truck-01, truck-02 …"""
    return [f"truck-{number:02d}" for number in range(1, own_numbers()["TRUCKS"] + 1)]


def lines_of(file: Path) -> list[dict[str, Any]]:
    """Return what was written into a file of JSON lines; nothing when it is not there."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def stop_if_somebody_reads(admin: KafkaAdminClient, *groups: str) -> None:
    """End this program with the next step while members of a group read: it would change what they stand on."""
    reading = [name for name, group in admin.describe_groups(list(groups)).items() if group["members"]]
    if reading:
        raise SystemExit(f"{', '.join(reading)} still read; next: lab serve 03 --stop, then this again")


def write_line(file: TextIO, **facts: Any) -> None:
    """Add one JSON line. It is in the file at once, so that nothing is missing when this process ends."""
    print(json.dumps(facts), file=file, flush=True)


def end_politely() -> None:
    """Let `lab serve 03 --stop` (SIGTERM) end this process as Ctrl-C would, wherever it is: connections are closed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def end_after_this_round() -> threading.Event:
    """Return what `lab serve 03 --stop` sets; who asks it can finish what it has begun."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    return ending
