"""graypy's handler with our record, our socket and our counting. Imported only where GELF is sent."""

import logging
from collections.abc import Mapping
from typing import Any

from graypy.handler import BaseGELFChunker, GELFUDPHandler

from app.telemetry.application_log import message_fields
from app.telemetry.events import encode
from app.telemetry.gelf_udp import GelfUdp
from app.telemetry.log_sinks import Fates


class GelfHandler(GELFUDPHandler):  # type: ignore[misc]  # graypy has no types
    """Sends application logs: compressed, and in chunks when that is still too large for a datagram."""

    def __init__(self, udp: GelfUdp, host: str, fates: Fates) -> None:
        """`host`: whose records these are. The socket is this handler's own: graypy's would not hear a refusal."""
        super().__init__("", gelf_chunker=BaseGELFChunker(), localname=host)
        self._udp = udp
        self._fates = fates

    def _make_gelf_dict(self, record: logging.LogRecord) -> dict[str, Any]:
        # graypy's is GELF 1.0 with fields that 1.1 has no more.
        return message_fields(record, self.localname)

    @classmethod
    def _pack_gelf_dict(cls, gelf_dict: Mapping[str, Any]) -> bytes:
        return encode(gelf_dict)

    def send(self, s: bytes) -> None:
        """Hand over one record. Too many chunks for GELF are none, and nothing of it is sent."""
        self._udp.connect()
        small = len(s) < self.gelf_chunker.chunk_size
        datagrams = [s] if small else list(self.gelf_chunker.chunk_message(s))
        sent = bool(datagrams) and all(map(self._udp.send, datagrams))
        self._fates.wrote(int(sent), 1)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  (the name is logging's)
        """Count it: saying so would take a log."""
        self._fates.wrote(0, 1)

    def close(self) -> None:
        self._udp.close()
        super().close()
