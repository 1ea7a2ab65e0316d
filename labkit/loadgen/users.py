"""The user class of this project: requests with a check of their answer, run by locust's loop or by a schedule.

Importing this module adds the project's flags to locust's command line (see `plugin`).
"""

import random
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec
from locust import FastHttpUser, between
from locust.exception import StopUser

from labkit.loadgen import plugin
from labkit.loadgen.answers import NO_ANSWER, WRONG_ANSWER, Answer, BadAnswer, check_request_id
from labkit.loadgen.clock import now
from labkit.loadgen.exchanges import Exchange
from labkit.loadgen.station import Flight, JobFlight
from labkit.loadgen.tickets import LARGEST_DRAW


class Sent(NamedTuple):
    """A request that is over: `answer` None when none came, `problem` None when the answer was right."""

    request_id: str
    answer: Answer | None
    problem: BadAnswer | None

    @property
    def document(self) -> Any:
        """The JSON of an answer that was found right."""
        assert self.answer is not None
        return msgspec.json.decode(self.answer.body)


class LabUser(FastHttpUser):
    """A user whose requests are counted by route template, checked, and can be scheduled.

    A task's first request is the one that a schedule intends; what it sends after it are follow-ups. In a scheduled
    run a user is a slot: it runs whatever ticket comes next.
    """

    abstract = True
    wait_time = between(0.5, 1.5)
    connection_timeout = 5.0
    network_timeout = 30.0

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._id_prefix = ""
        self._requests = 0
        self._intended: float | None = None
        self._ticket_draw: int | None = None
        self._chance = random.Random(plugin.user_seed(environment))  # noqa: S311  (test data, no secret)

    def on_start(self) -> None:
        """Enter the pool of a scheduled run; with locust's own loop, do nothing."""
        station = plugin.station_of(self.environment)
        if station is not None and station.plan.mode == "scheduled":
            station.serve(self)

    @property
    def intended(self) -> float | None:
        """When the next request should start, epoch seconds; None when no ticket waits for it."""
        return self._intended

    def take_ticket(self, intended: float, draw: int) -> None:
        """Make the next request the one that was intended for `intended`, epoch seconds, with this draw."""
        self._intended = intended
        self._ticket_draw = draw

    def draw(self) -> int:
        """Return the integer that decides the next input: the ticket's, else a new one of this user."""
        return self._chance.randrange(LARGEST_DRAW) if self._ticket_draw is None else self._ticket_draw

    def send(self, exchange: Exchange, more: Mapping[str, str] | None = None, *, job: JobFlight | None = None) -> Sent:
        """Send one request and check its answer; both are recorded, nothing is raised for a bad one.

        `more` are further headers. `job` is the one that the request follows: it may do so while the run closes.
        """
        station = plugin.station_of(self.environment)
        if station is not None and station.closing and job not in station.jobs:
            raise StopUser
        request_id = self._next_id("" if station is None else station.plan.request_ids)
        headers = {"X-Request-ID": request_id, **(more or {})}
        if exchange.body is not None:
            headers["Content-Type"] = "application/json"
        context = {}
        if station is not None:
            flight = Flight(exchange.method, exchange.route, now(), None if job else self._take_intended())
            station.depart(flight)
            context["flight"] = flight
        with self.client.request(
            exchange.method,
            exchange.path,
            name=exchange.route,
            data=cast(Any, exchange.body),  # bytes, which its annotation forgets
            headers=headers,
            allow_redirects=False,
            catch_response=True,
            context=context,
        ) as response:
            problem = judged(response, request_id, exchange)
            if problem is None:
                response.success()
            else:
                response.failure(problem)
            return Sent(request_id, answered(response), problem)

    def _next_id(self, run: str) -> str:
        """Return an id that no other request has, 32 signs: the run's beginning, this user's, a number."""
        if not self._requests:
            self._id_prefix = run + secrets.token_hex(10 - len(run) // 2)
        self._requests += 1
        return f"{self._id_prefix}{self._requests:012x}"

    def _take_intended(self) -> float | None:
        intended, self._intended = self._intended, None
        return intended


def answered(response: Any) -> Answer | None:
    if not response.status_code:
        return None
    return Answer(response.status_code, response.headers, response.content or b"")


def judged(response: Any, request_id: str, exchange: Exchange) -> BadAnswer | None:
    """Return what is wrong with a response, or None."""
    answer = answered(response)
    if answer is None:
        error = response.error
        return BadAnswer(NO_ANSWER, type(error).__name__, str(error))
    try:
        exchange.check(answer)
        check_request_id(answer, request_id)
    except BadAnswer as problem:
        return problem
    except Exception as error:  # an answer that breaks its check is a wrong answer, not a lost request
        return BadAnswer(WRONG_ANSWER, "the check of it failed", repr(error))
    return None
