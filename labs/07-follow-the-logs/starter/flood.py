"""Sends numbered log records to the collector: `python flood.py calm`, or `python flood.py frozen`.

calm     1,000 records, 250 a second, to a collector that is awake
frozen   RECORDS of them (task.env) as fast as they go, while the collector is stopped; then it goes on

A record has 12,000 bytes, like one with a long traceback in it; nearly all are spaces, which JSON allows and the
store does not keep.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx

HERE = Path(__file__).parent
BYTES = 12_000
SETTLED = 6.0  # seconds until what has arrived is counted, and can be found


def record(run: str, number: int) -> dict[str, object]:
    """Return one log record as GELF has it: a JSON object."""
    # TODO: GELF asks for version "1.1", host (whose record this is), short_message; timestamp (time.time()) and
    #       level (6: information) are good manners. Fields of your own begin with an underscore: _event "flood",
    #       _run and _number, which let you count later who has come.
    return {}


def flood(place: tuple[str, int], run: str, records: int, pause: float) -> None:
    """Send records 0, 1, 2 … to `place`, `pause` seconds apart."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(place)
        for number in range(records):
            sender.send(json.dumps(record(run, number)).encode().ljust(BYTES))
            if pause:
                time.sleep(pause)


def counters(url: str) -> dict[str, int]:
    """Return what the collector has counted since it was started."""
    text = httpx.get(url, timeout=5, trust_env=False).text
    names = {
        'gelf_received_total{transport="udp"}': "received",
        'gelf_rejected_total{transport="udp",reason="not-gelf"}': "no GELF",
        "gelf_socket_drops_total": "no room in the socket's buffer (kernel)",
        'log_documents_total{store="sqlite",outcome="dropped"}': "no room in the collector's queue",
        'log_documents_total{store="sqlite",outcome="stored"}': "stored",
    }
    found = dict(re.findall(r"^(\w+(?:\{.*?\})?) (\S+)$", text, re.MULTILINE))
    return {meaning: int(float(found.get(name, 0))) for name, meaning in names.items()}


def main(how: str) -> None:
    urls = json.loads(subprocess.check_output(["lab", "urls", "--json"]))
    address = urlsplit(urls["gelf"])
    place, collector = (address.hostname or "", address.port or 0), urls["pids"]["collector"]
    run = f"{how}-{int(time.time())}"
    before = counters(urls["collector_metrics"])
    if how == "calm":
        flood(place, run, 1000, 1 / 250)
    else:
        wanted = int(dict(re.findall(r"(\w+)=(\d+)", (HERE / "task.env").read_text()))["RECORDS"])
        os.kill(collector, signal.SIGSTOP)  # it stands still, and does not know it
        try:
            flood(place, run, wanted, 0)
        finally:
            os.kill(collector, signal.SIGCONT)
        (HERE / "flood.run").write_text(run)  # for count.sh
    time.sleep(SETTLED)
    after = counters(urls["collector_metrics"])
    print(f"run {run}; counted by the collector and its socket meanwhile:")
    for meaning, value in after.items():
        print(f"{value - before[meaning]:8,}  {meaning}")


if __name__ == "__main__":
    if sys.argv[1:] not in (["calm"], ["frozen"]):
        sys.exit("say how: python flood.py calm, or python flood.py frozen")
    main(sys.argv[1])
