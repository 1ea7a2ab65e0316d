"""Where the shop's records go: to the collector, as GELF over UDP, without making a request wait."""

import logging
import queue
from logging.handlers import QueueHandler, QueueListener
from urllib.parse import urlsplit

import graypy

WAITING = 1000  # records at most, between the request that logs and the thread that sends


def open_log(address: str, host: str) -> logging.Logger:
    """Return a log whose records go to `address`, such as udp://127.0.0.1:18201, as records of `host`."""
    log = logging.getLogger("shop")
    log.propagate = False
    log.setLevel(logging.INFO)
    place = urlsplit(address)  # place.hostname, place.port
    sender = graypy.GELFUDPHandler(place.hostname, place.port, localname=host, debugging_fields=False)
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(WAITING)
    log.addHandler(QueueHandler(waiting))
    QueueListener(waiting, sender).start()
    return log
