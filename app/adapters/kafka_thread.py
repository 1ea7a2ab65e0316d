"""The thread that talks to the Kafka producer: its calls may block, the event loop's may not."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, Final

from kafka.errors import MessageSizeTooLargeError

from app.adapters.kafka_producer import Producers
from app.core.topics import REQUEST_ID

# Between two tries to find a broker.
_RETRY_SECONDS: Final = 0.2
_BURIAL_SECONDS: Final = 0.5
_CLOSE_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class Outgoing:
    """One message on its way, and the future of who waits for it; only the event loop writes `settled` and `value`."""

    __slots__ = ("future", "handed_over", "key", "request_id", "sent_by", "settled", "topic", "value")

    def __init__(
        self, topic: str, key: bytes, value: bytes, request_id: bytes, future: asyncio.Future[None], handed_over: float
    ) -> None:
        self.topic = topic
        self.key = key
        self.value = value
        self.request_id = request_id
        self.future = future
        self.handed_over = handed_over
        self.settled = False
        self.sent_by: Any = None


class ProducerThread:
    """Sends what the event loop hands over, keeps a connection, and reports back, many messages at a time."""

    def __init__(
        self,
        producers: Producers,
        loop: asyncio.AbstractEventLoop,
        tell: Callable[[], None],
        connected: Callable[[], None],
    ) -> None:
        """Called in the event loop: `tell` when there are reports, `connected` when a producer has found a broker."""
        self._producers = producers
        self._loop = loop
        self._tell = tell
        self._connected = connected
        self._current: Any = None
        # None: give the producer up.
        self._handed: SimpleQueue[list[Outgoing] | None] = SimpleQueue()
        self._reports: deque[tuple[Outgoing, str | None]] = deque()
        self._told = False
        self._ending = threading.Event()
        self._ended: asyncio.Future[None] = loop.create_future()
        # A daemon: a broker that hangs does not keep the process alive.
        self._thread = threading.Thread(target=self._work, name="kafka-publisher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def send(self, messages: list[Outgoing]) -> None:
        """Never blocks."""
        self._handed.put(messages)

    def renew(self) -> None:
        """Have a new producer built; never blocks."""
        self._handed.put(None)

    def reports(self) -> Iterator[tuple[Outgoing, str | None]]:
        """Yield what became of messages since the last call: each with None, or with the error."""
        self._told = False  # before the look at the reports: one that comes now is told of again
        while self._reports:
            yield self._reports.popleft()

    async def close(self) -> None:
        """Wait for what is under way, five seconds at most."""
        self._ending.set()
        self._handed.put(None)
        await asyncio.wait([self._ended], timeout=_CLOSE_SECONDS)

    def _work(self) -> None:
        away = False
        while not self._ending.is_set():
            try:
                self._current = self._producers.current()
            except Exception as error:  # whatever it is: the thread goes on
                if not away:
                    _log.warning("jobs and feedback are refused: %s", error)
                away = True
                self._refuse_handed(str(error))
                self._ending.wait(_RETRY_SECONDS)
                continue
            if away:
                _log.warning("Kafka (%s) is back", self._producers.servers)
            away = False
            self._in_loop(self._connected)
            sound = self._send_by(self._current)
            self._producers.give_up(topics_in_doubt=not sound)
        self._producers.close()
        self._in_loop(lambda: self._ended.set_result(None))

    def _send_by(self, producer: Any) -> bool:
        """Send what is handed over until this producer shall be given up; False when it would not even take it."""
        while True:
            try:
                messages = self._handed.get(timeout=_BURIAL_SECONDS if self._producers.leftover else None)
            except Empty:
                self._producers.bury()
                continue
            if messages is None:
                return True
            for number, message in enumerate(messages):
                try:
                    self._send(producer, message)
                except Exception as error:  # no topic, or no room, or the producer is closed or broken
                    for unsent in messages[number:]:
                        self._report(unsent, _told(error))
                    return False

    def _send(self, producer: Any, message: Outgoing) -> None:
        value = message.value  # before the look whether it is settled: afterwards it is empty
        if message.settled:
            return
        message.sent_by = producer
        try:
            sent = producer.send(message.topic, value, message.key, [(REQUEST_ID, message.request_id)])
        except MessageSizeTooLargeError as error:
            self._report(message, _told(error))
        else:
            sent.add_callback(self._acknowledged, message)
            sent.add_errback(self._failed, message)

    def _acknowledged(self, message: Outgoing, _: Any) -> None:
        """Called by the producer's own thread."""
        self._report(message, None)

    def _failed(self, message: Outgoing, error: Exception) -> None:
        """Called by the producer's own thread. It has tried all that it can: it may never send again."""
        self._report(message, _told(error))
        if message.sent_by is self._current:
            self._current = None
            self.renew()

    def _refuse_handed(self, error: str) -> None:
        while True:
            try:
                messages = self._handed.get_nowait()
            except Empty:
                return
            for message in messages or ():
                self._report(message, error)

    def _report(self, message: Outgoing, error: str | None) -> None:
        self._reports.append((message, error))
        if not self._told:
            self._told = True
            self._in_loop(self._tell)

    def _in_loop(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self._ending.set()


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
