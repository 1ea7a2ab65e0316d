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
    # TODO 1: from which level on is a record worth sending? An answered request is INFO.
    log.setLevel(logging.CRITICAL)
    place = urlsplit(address)  # place.hostname, place.port
    # TODO 2: a graypy.GELFUDPHandler for that place: localname=host says whose records these are;
    #         debugging_fields=False leaves out file, line and thread.
    # TODO 3: not on the log itself: a QueueHandler with a queue of at most WAITING records goes there. A QueueListener
    #         takes from that queue and hands to the graypy handler, in a thread of its own, once it is started.
    return log
