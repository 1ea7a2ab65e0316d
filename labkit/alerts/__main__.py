"""`python -m labkit.alerts`: the receiver, until SIGTERM."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from labkit.alerts.switch import Limits

# http.server imports http.client, which imports ssl where there is one: a quarter of this process's memory, for
# nothing. A module that is None counts as missing.
sys.modules["ssl"] = None  # type: ignore[assignment]  # typeshed knows modules alone

from labkit.alerts.receiver import HOST, Receiver  # noqa: E402 - after the line above, or ssl would be loaded


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m labkit.alerts", description="Receive notifications of alerts.")
    parser.add_argument("--host", default=HOST, help=f"whom to listen for (default: {HOST}, this machine alone)")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where notifications.jsonl is written")
    parser.add_argument("--watchdog-seconds", type=float, default=Limits().silence, help="longest silence")
    parser.add_argument("--grace-seconds", type=float, default=Limits().grace, help="for the first Watchdog")
    given = parser.parse_args()
    threading.stack_size(256 << 10)
    try:
        receiver = Receiver(
            given.port, given.folder, Limits(given.watchdog_seconds, given.grace_seconds), host=given.host
        )
    except OSError as error:
        print(f"cannot receive on port {given.port} into {given.folder}: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with receiver:
        receiver.serve_forever(poll_interval=0.5)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
