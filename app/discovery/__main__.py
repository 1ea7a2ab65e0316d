"""`python -m app.discovery`: tells Traefik which replicas are there, where an engine gives them one name for all.

Asks the name server for LAB_EDGE_STABLE and LAB_EDGE_CANARY twice a second, each replica's /readyz as well, and serves
on LAB_METRICS_HOST:LAB_METRICS_PORT what Traefik's HTTP provider polls (/traefik), /healthz and /readyz.
"""

import asyncio
import signal
import sys
import time

import msgspec

from app.config import Settings, WrongSetting, from_environment
from app.discovery.document import document
from app.discovery.pool import Answer, Pool
from app.discovery.questions import Names, answer_of
from app.discovery.server import Reply, listen
from app.telemetry.events import INFO, VERSION

EVERY = 0.5  # seconds between two rounds


class Discovery:
    """What is known of the replicas. `asked` turns true once every question has been asked once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = Names()
        self._stable = Pool(keeps_last=True)
        self._canary = Pool(keeps_last=False)
        self.asked = False

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            before = (self._stable, self._canary)
            self._stable, self._canary = await asyncio.gather(
                self._round(self._stable, self._settings.edge_stable),
                self._round(self._canary, self._settings.edge_canary),
            )
            self.asked = True
            if (self._stable, self._canary) != before:
                self._say(f"stable: {self._stable.listed}; canary: {self._canary.listed}")
            await asyncio.sleep(EVERY)

    def traefik(self) -> Reply:
        """Return what Traefik is to know; 503, which changes nothing at Traefik, before a replica was ever seen."""
        if not self._stable.listed:
            return 503, b'{"detail": "no replica has been seen yet"}'
        known = document(self._stable.listed, self._canary.listed, self._settings.edge_weight)
        return 200, msgspec.json.encode(known)

    async def _round(self, pool: Pool, name: str) -> Pool:
        named = await self._names.of(name) if name else None
        asked = pool.to_ask(named)
        answers: list[Answer] = await asyncio.gather(*(answer_of(replica) for replica in asked))
        return pool.after(named, dict(zip(asked, answers, strict=True)))

    def _say(self, text: str) -> None:
        """Print a line of GELF, as the other services do."""
        record = {"version": VERSION, "host": self._settings.replica, "short_message": text, "timestamp": time.time()}
        sys.stdout.buffer.write(msgspec.json.encode({**record, "level": INFO, "_event": "message"}) + b"\n")
        sys.stdout.buffer.flush()


async def serve(settings: Settings) -> None:
    """Ask and answer until SIGTERM or SIGINT. Raises WrongSetting when the port cannot be listened on."""
    loop, stop, discovery = asyncio.get_running_loop(), asyncio.Event(), Discovery(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def ready() -> Reply:
        return (200, b'{"ready": true}') if discovery.asked else (503, b'{"ready": false}')

    routes = {"/traefik": discovery.traefik, "/healthz": lambda: (200, b'{"status": "ok"}'), "/readyz": ready}
    try:
        server = await listen(settings.metrics_host, settings.metrics_port, routes)
    except OSError as error:
        where = f"LAB_METRICS_PORT={settings.metrics_port}: {settings.metrics_host} cannot be listened on"
        raise WrongSetting(f"{where} ({error.strerror or error})") from None
    asking = asyncio.create_task(discovery.run())
    async with server:
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({asking, stopped}, return_when=asyncio.FIRST_COMPLETED)
    asking.cancel()
    if asking.done() and not asking.cancelled():
        asking.result()  # it ended by itself: with an error, which is to be seen


def main() -> int:
    """Run until SIGTERM or SIGINT; return 2 when it cannot start."""
    try:
        asyncio.run(serve(from_environment()))
    except WrongSetting as error:
        print(f"app.discovery: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
