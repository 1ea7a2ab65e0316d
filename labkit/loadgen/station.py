"""One generator process: its users take tickets, its requests are recorded, each second is reported to the leader."""

import gc
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import gevent
from gevent.event import Event
from gevent.queue import SimpleQueue

from labkit.loadgen.answers import NO_ANSWER
from labkit.loadgen.clock import Alarm, now
from labkit.loadgen.histograms import empty, encoded, record
from labkit.loadgen.plan import Action, Plan, actions
from labkit.loadgen.recorder import UNANSWERED, Recorder
from labkit.loadgen.saturation import TicketCounts, tolerance

Report = Callable[[str, dict[str, Any]], None]
SECOND, PULSE, COUNTS, FINAL = "lab_second", "lab_pulse", "lab_counts", "lab_final"


@dataclass(eq=False)
class Flight:
    """One request under way; `intended` is None when nothing scheduled it."""

    method: str
    route: str
    sent: float
    intended: float | None


@dataclass(eq=False)
class JobFlight:
    """One job under way, from its first hand-in on; `ident` is empty until the service has accepted it."""

    sent: float
    intended: float | None
    ident: str = ""


class Station:
    """Records the requests of this process and, in a scheduled run, hands tickets to its users.

    `report` carries a message to the leader: SECOND for each second with requests, PULSE each second, in a run whose
    numbers are exported COUNTS each second, FINAL once at the end.
    """

    def __init__(self, plan: Plan, report: Report, user_classes: list[type[Any]]) -> None:
        self.plan = plan
        self.recorder = Recorder()
        self.counts = TicketCounts()
        self.flights: set[Flight] = set()
        self.jobs: set[JobFlight] = set()
        """Jobs whose answer is awaited beside the users; it is asked for until the run's grace has passed."""
        self.closing = False
        self.finished = Event()
        self._report = report
        self._user_classes = user_classes
        self._queue = SimpleQueue()
        self._free_users = 0
        self._late: list[int] = []
        self._woke_late: list[int] = []
        self._on_schedule_until = 0.0
        self._actions: list[Action] = []
        self._seconds = gevent.spawn(self._report_seconds)
        self._schedule: gevent.Greenlet | None = None

    def begin(self, started: float, index: int, of: int) -> None:
        """Start this process's share of the schedule at `started`, epoch seconds. Raises CannotRun on a wrong mix."""
        self._actions = actions(self._user_classes, self.plan.mix)
        share = self.plan.share([action.weight for action in self._actions], index=index, of=of)
        duration = self.plan.shape.duration
        self._on_schedule_until = started + duration + tolerance(duration)
        # A collection of all that was imported would stall the schedule for tens of milliseconds.
        gc.collect()
        gc.freeze()
        # Plain lists: indexing an array gives NumPy scalars, which are slow.
        rows = list(zip(share.starts.tolist(), share.actions.tolist(), share.draws.tolist(), strict=True))
        self._schedule = gevent.spawn(self._release, rows, started, started + duration)

    def _release(self, rows: list[tuple[float, int, int]], started: float, end: float) -> None:
        alarm = Alarm()
        try:
            for offset, action, draw in rows:
                due = started + offset
                alarm.wait_until(due)
                # Counted when its time has come: a run that is stopped early never intended the rest.
                self.counts.intended += 1
                self._woke_late.append(round((now() - due) * 1e6))
                if self._free_users <= self._queue.qsize():
                    self.counts.waited += 1
                self._queue.put((due, action, draw))
            alarm.wait_until(end)
        finally:
            alarm.close()
        gevent.spawn(self.close, self.plan.grace)

    def serve(self, user: Any) -> NoReturn:
        """Let a user run tickets until the run closes, and hold it then: it is killed when its test stops."""
        persons = {type(user): user}
        while not self.closing:
            self._free_users += 1
            try:
                due, number, draw = self._queue.get()
            finally:
                self._free_users -= 1
            action = self._actions[number]
            person = persons.get(action.user_class)
            if person is None:
                # Another class's task on this user's connection: users are slots, any of them runs any ticket.
                person = persons[action.user_class] = action.user_class(user.environment)
                person.client = user.client
            person.take_ticket(due, draw)
            try:
                action.task(person)
            except Exception as error:  # a broken task must not take its user out of the pool
                user.environment.events.user_error.fire(user_instance=person, exception=error, tb=error.__traceback__)
        while True:
            gevent.sleep(3600)

    def depart(self, flight: Flight) -> None:
        """Count a request which is being sent now; with an intended start it uses up a ticket."""
        self.flights.add(flight)
        scheduled = self.plan.mode == "scheduled"
        self.recorder.started(flight.sent, follow_up=scheduled and flight.intended is None)
        if flight.intended is not None:
            self.counts.sent += 1
            if flight.sent <= self._on_schedule_until:
                self.counts.on_schedule += 1
            self._late.append(round((flight.sent - flight.intended) * 1e6))

    def arrive(self, flight: Flight, service_time: float, status: int, failure: tuple[str, str] | None) -> None:
        """Count the end of a request; one which was given up already is not counted twice."""
        if flight not in self.flights:
            return
        self.flights.discard(flight)
        response_time = None
        if self.plan.mode == "scheduled":
            response_time = service_time + (0.0 if flight.intended is None else flight.sent - flight.intended)
        self.recorder.finished(
            (flight.method, flight.route),
            ended=flight.sent + service_time,
            service_time=service_time,
            response_time=response_time,
            status=status,
            failure=failure,
        )

    def accept(self, job: JobFlight, ident: str) -> None:
        """Count a job that the service has accepted under this id."""
        job.ident = ident
        self.recorder.job_accepted(now())

    def finish(self, job: JobFlight, seconds: float, outcome: str, failure: tuple[str, str] | None) -> None:
        """Count the end of an accepted job, `seconds` after its first hand-in; one that was given up counts once."""
        if job not in self.jobs:
            return
        self.jobs.discard(job)
        response_time = None
        if self.plan.mode == "scheduled":
            response_time = seconds + (0.0 if job.intended is None else job.sent - job.intended)
        self.recorder.job_finished(
            ended=job.sent + seconds,
            service_time=seconds,
            response_time=response_time,
            outcome=outcome,
            failure=failure,
        )

    def note_foreign(
        self, method: str, name: str, sent: float, service_time: float, status: int, failure: tuple[str, str] | None
    ) -> None:
        """Count a finished request of a user class that is not ours; nothing but its end is known to us."""
        self.recorder.started(sent)
        self.recorder.finished(
            (method, name),
            ended=sent + service_time,
            service_time=service_time,
            response_time=None,
            status=status,
            failure=failure,
        )

    def close(self, grace: float) -> None:
        """Start no more requests, wait up to `grace` seconds for those under way, and report all; once."""
        if self.closing:
            self.finished.wait(grace + 5)
            return
        deadline = now() + grace
        scheduled_to_end = self._schedule is not None and self._schedule.ready()
        while scheduled_to_end and self._queue.qsize() and now() < deadline:
            gevent.sleep(0.01)
        self.closing = True
        if self._schedule is not None:
            self._schedule.kill()
        while (self.flights or self.jobs) and now() < deadline:
            gevent.sleep(0.01)
        for job in [job for job in self.jobs if job.ident]:
            waited = now() - job.sent
            seen = f"{job.ident}: none in {waited:.1f} s, when the run ended"
            self.finish(job, waited, UNANSWERED, (NO_ANSWER, seen))
        self.jobs.clear()
        for flight in list(self.flights):
            waited = now() - flight.sent
            self.arrive(flight, waited, 0, (NO_ANSWER, f"none in {waited:.1f} s, when the run ended"))
        self._seconds.kill()
        for message in self.recorder.take_seconds(int(now()) + 2, 0):
            self._report(SECOND, message)
        final = self._final()
        self._report_counts()
        self._report(FINAL, final)
        self.finished.set()

    def _final(self) -> dict[str, Any]:
        lateness, woke_late = empty(), empty()
        record(lateness, self._late)
        record(woke_late, self._woke_late)
        return {
            "entries": self.recorder.entries(),
            "tickets": asdict(self.counts),
            "lateness": encoded(lateness),
            "woke_late": encoded(woke_late),
            "cpu": cpu_reading(),
            "ended": now(),
        }

    def _report_seconds(self) -> None:
        while True:
            # A little after the second, so that what ended in it has been recorded.
            gevent.sleep(1.05 - now() % 1)
            busy = len(self.flights)
            # Pauses between pieces of this work: requests whose time has come must not wait for all of it.
            for message in self.recorder.take_seconds(int(now()), busy):
                self._report(SECOND, message)
                gevent.sleep(0)
            for _ in self.recorder.flush():
                gevent.sleep(0)
            self._report_counts()
            self._report(PULSE, cpu_reading())

    def _report_counts(self) -> None:
        if self.plan.exported:
            self._report(COUNTS, {"entries": self.recorder.counts()})


def cpu_reading() -> dict[str, Any]:
    """Return this process's own CPU seconds; unlike a watcher's sample it also comes from other machines."""
    return {"t": now(), "pid": os.getpid(), "cpu_seconds": time.process_time()}
