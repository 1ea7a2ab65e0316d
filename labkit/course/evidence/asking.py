"""Asking an edge as clients do: under a host name, one request after the other, or several clients at once."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

TIMEOUT = 5.0  # seconds


@dataclass(frozen=True)
class Answer:
    """What a client got; status 0 and "nobody" for no answer."""

    status: int
    who: str
    """The header X-Whoami; "the edge" when no replica has answered."""
    body: str = ""


def ask(port: int, host: str, count: int = 1, path: str = "/") -> list[Answer]:
    """Send GET requests one after the other, on one connection as long as it holds."""
    answers = []
    with closing(HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)) as connection:
        for _ in range(count):
            try:
                connection.request("GET", path, headers={"Host": host})
                response = connection.getresponse()
                body = response.read().decode("utf-8", "replace")
                answers.append(Answer(response.status, response.getheader("X-Whoami") or "the edge", body))
            except (OSError, HTTPException):
                connection.close()
                answers.append(Answer(0, "nobody"))
    return answers


@contextmanager
def clients(number: int, port: int, host: str, path: str = "/") -> Iterator[list[Answer]]:
    """Let so many clients ask without a pause until the block ends; what they got is complete after it."""
    answers: list[Answer] = []
    ended = threading.Event()

    def go_on() -> None:
        while not ended.is_set():
            answers.extend(ask(port, host, path=path))

    threads = [threading.Thread(target=go_on, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def who(answers: Iterable[Answer]) -> Counter[str]:
    """Return how many requests each has answered with 200."""
    return Counter(one.who for one in answers if one.status == 200)


def told(answers: Iterable[Answer]) -> str:
    """Say how many answers had which status and came from whom."""
    counts = Counter(f"{one.status} {one.who}" for one in answers)
    return ", ".join(f"{name}: {n}" for name, n in sorted(counts.items())) or "nothing"
