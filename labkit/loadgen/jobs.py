"""Users with an API key, and jobs as they see them: handed in, asked for until answered, timed end to end."""

import contextlib
import logging
import secrets
from typing import Any

import gevent
from locust.exception import StopUser

from labkit.loadgen import job_exchanges, plugin
from labkit.loadgen.answers import NO_ANSWER, BadAnswer, Check
from labkit.loadgen.clock import now
from labkit.loadgen.exchanges import Exchange
from labkit.loadgen.keys import next_key, reason_to_stay_out, urls_of
from labkit.loadgen.recorder import DONE, FAILED, JOB, UNANSWERED
from labkit.loadgen.station import JobFlight
from labkit.loadgen.users import LabUser, Sent

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds before the first question and between later ones, doubling: how finely an end-to-end time is known."""
DEADLINE = 60.0
RESENT_AFTER = (0.2, 0.5, 1.0)
"""Pauses before a hand-in that got no answer at all is sent again, with the same Idempotency-Key."""

logger = logging.getLogger(__name__)
_told: set[str] = set()


class KeyedUser(LabUser):
    """A user whose requests carry an API key. Without one it says so, once for its class, and stays out."""

    abstract = True
    needs_key = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.key = next_key(self.host)

    def on_start(self) -> None:
        # In a scheduled run any user is a slot for tickets of every class: those of this one were left out already.
        if self.key is None and not plugin.scheduled(self.environment):
            tell_once(f"{type(self).__name__} stays out: {reason_to_stay_out(urls_of(self.host))}")
            raise StopUser
        super().on_start()

    def send_keyed(self, exchange: Exchange, *, repeatable: str = "", job: JobFlight | None = None) -> Sent:
        """Send a request with this user's key; `repeatable` is its Idempotency-Key."""
        headers = {"X-API-Key": self.key or ""}
        if repeatable:
            headers["Idempotency-Key"] = repeatable
        return self.send(exchange, headers, job=job)


def tell_once(line: str) -> None:
    if line not in _told:
        _told.add(line)
        logger.warning(line)


class JobsUser(KeyedUser):
    """Hands in jobs. In a scheduled run it does not wait for their answers: the next ticket may be due before."""

    abstract = True

    def hand_in(self, model_name: str) -> None:
        """Hand in one job; its answer is awaited beside this user, or by it in a closed loop."""
        exchange, check = job_exchanges.job(model_name, self.draw())
        job = JobFlight(now(), self.intended)
        repeatable = secrets.token_hex(16)
        sent = self.send_keyed(exchange, repeatable=repeatable)
        if sent.problem is not None and sent.answer is not None:
            return  # refused, or answered wrongly: counted as the request that it was
        station = plugin.station_of(self.environment)
        if station is not None:
            station.jobs.add(job)
        self._note_accepted(job, sent)
        if plugin.scheduled(self.environment):
            gevent.spawn(self._follow, job, exchange, check, repeatable)
        else:
            self._follow(job, exchange, check, repeatable)

    def _follow(self, job: JobFlight, exchange: Exchange, check: Check, repeatable: str) -> None:
        with contextlib.suppress(StopUser):  # the run is over
            self._send_again(job, exchange, repeatable)
            if job.ident:
                self._finish(job, *self._answer(job, check))
        station = plugin.station_of(self.environment)
        if station is not None and not job.ident:
            station.jobs.discard(job)

    def _send_again(self, job: JobFlight, exchange: Exchange, repeatable: str) -> None:
        """Send a hand-in again of which nothing was heard; the same key makes it the same job."""
        for pause in RESENT_AFTER:
            if job.ident:
                return
            gevent.sleep(pause)
            sent = self.send_keyed(exchange, repeatable=repeatable, job=job)
            if sent.problem is not None and sent.answer is not None:
                return
            self._note_accepted(job, sent)

    def _note_accepted(self, job: JobFlight, sent: Sent) -> None:
        if sent.answer is None or sent.problem is not None:
            return
        job.ident = str(sent.document["id"])
        station = plugin.station_of(self.environment)
        if station is not None:
            station.accept(job, job.ident)

    def _answer(self, job: JobFlight, check: Check) -> tuple[str, BadAnswer | None]:
        """Ask until the job is answered or the deadline has passed; return its outcome and what is wrong with it."""
        question, pause = job_exchanges.job_state(job.ident, check), FIRST_PAUSE
        while True:
            gevent.sleep(pause)
            sent = self.send_keyed(question, job=job)
            # A question that went wrong is counted as the request that it was; the job may be answered all the same.
            if sent.answer is not None and sent.problem is None:
                document = sent.document
                if document["status"] == DONE:
                    return DONE, None
                if document["status"] == FAILED:
                    return FAILED, BadAnswer(FAILED, "the job failed", f"{job.ident}: {document['reason']}")
            if now() - job.sent > DEADLINE:
                return UNANSWERED, BadAnswer(NO_ANSWER, "the job is overdue", f"{job.ident}: none in {DEADLINE:g} s")
            pause = min(2 * pause, LONGEST_PAUSE)

    def _finish(self, job: JobFlight, outcome: str, problem: BadAnswer | None) -> None:
        seconds = now() - job.sent
        station = plugin.station_of(self.environment)
        if station is not None:
            station.finish(job, seconds, outcome, None if problem is None else (problem.kind, problem.detail[:300]))
        # For locust's own table, which knows no other kind of thing than a request.
        self.environment.events.request.fire(
            request_type=JOB,
            name="job",
            response_time=seconds * 1000,
            response_length=0,
            exception=problem,
            context={},
        )
