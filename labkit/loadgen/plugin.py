"""What this project adds to locust: flags, a scheduled start of requests, exact records of the run.

Without one of the flags nothing is added: users wait and ask as in any locust test. With them, the leading process
(master, or the only one) holds a Conductor, and each process that has users a Station; they talk through locust's
own messages, so that `--processes`, `--master` and `--worker` work as usual.
"""

import itertools
import logging
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import locust
import msgspec
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from labkit.errors import CannotRun
from labkit.loadgen.answers import BadAnswer
from labkit.loadgen.conductor import FINAL_WAIT, LEAD, LOCAL, Conductor
from labkit.loadgen.exporter import LINGER, Exporter, exposition
from labkit.loadgen.options import add_options, metrics_port, plan_of, recording
from labkit.loadgen.plan import Plan, plan_from
from labkit.loadgen.processes import end_with_parent
from labkit.loadgen.recorder import JOB
from labkit.loadgen.station import COUNTS, FINAL, PULSE, SECOND, Station

BEGIN, CLOSE = "lab_begin", "lab_close"
INTERRUPTED_GRACE = 2.0

logger = logging.getLogger(__name__)
_parts: dict[int, "Part"] = {}
_user_numbers = itertools.count()


def station_of(environment: Any) -> Station | None:
    """Return this process's station while a recorded run is on."""
    part = _parts.get(id(environment))
    return part.station if part is not None else None


def scheduled(environment: Any) -> bool:
    """Return whether users of this process run tickets of a schedule instead of locust's own loop."""
    station = station_of(environment)
    return station is not None and station.plan.mode == "scheduled"


def user_seed(environment: Any) -> str | None:
    """Return what a new user's own random numbers start from: None (random) unless --seed was given."""
    seed = getattr(environment.parsed_options, "seed", None)
    if seed is None:
        return None
    return f"{seed}-{getattr(environment.runner, 'worker_index', 0)}-{next(_user_numbers)}"


class Part:
    """This process's part in recorded runs, for the life of the process."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.runner = environment.runner
        self.station: Station | None = None
        self.conductor: Conductor | None = None
        self.exporter: Exporter | None = None
        self._test_started = 0.0
        self._begun = False
        events = environment.events
        events.test_start.add_listener(self.on_test_start)
        events.spawning_complete.add_listener(self.on_spawning_complete)
        events.test_stopping.add_listener(self.on_stop)
        events.quitting.add_listener(self.on_stop)
        events.request.add_listener(self.on_request)
        if isinstance(self.runner, WorkerRunner):
            self.runner.register_message(BEGIN, self.on_begin)
            self.runner.register_message(CLOSE, self.on_close, concurrent=True)
        elif isinstance(self.runner, MasterRunner):
            for kind in (SECOND, PULSE, COUNTS, FINAL):
                self.runner.register_message(kind, self.on_report)

    @property
    def options(self) -> Any:
        return self.environment.parsed_options

    def export(self, port: int) -> bool:
        """Serve the run's numbers on this port; return whether that can be: a run is worth more than its curves."""
        try:
            self.exporter = Exporter(port, self.exposition, self.options.metrics_host)
        except OSError as error:
            told = f"{error.strerror}; next: another --metrics-port, or end the other run"
            logger.warning(f"this run's numbers are not served to Prometheus: port {port}: {told}")
            return False
        return True

    def exposition(self) -> Iterator[str]:
        if self.conductor is None:
            return exposition(self.runner.user_count, None, {})
        return exposition(self.runner.user_count, self.conductor.offered, self.conductor.totals.sums())

    def on_test_start(self, **_: Any) -> None:
        # The leader puts its plan among the options, which locust hands to every worker before its users start.
        message = getattr(self.options, "lab_plan", None)
        if message is None:
            return
        plan = plan_from(message)
        self._begun = False
        self._test_started = time.monotonic()
        if not isinstance(self.runner, MasterRunner):
            random.seed(f"{plan.seed}-{self.runner.worker_index}")
            self.station = Station(plan, self.report, self.environment.user_classes)
        if not isinstance(self.runner, WorkerRunner):
            folder = self.options.run_dir
            self.conductor = Conductor(plan, Path(folder) if folder else None)
            if plan.mode == "closed":
                self.begin()

    def on_spawning_complete(self, **_: Any) -> None:
        if self.conductor is not None and not self._begun:
            self.begin()
            gevent.spawn(self.end_when_complete)

    def begin(self) -> None:
        assert self.conductor is not None
        self._begun = True
        if isinstance(self.runner, LocalRunner):
            names = [LOCAL]
        else:
            clients = self.runner.clients
            names = [node.id for node in clients.ready + clients.spawning + clients.running]
        self.conductor.begin(names, self.tell)

    def tell(self, name: str, message: dict[str, Any]) -> None:
        if self.station is not None:
            self.station.begin(message["started"], message["index"], message["of"])
        else:
            self.runner.send_message(BEGIN, message, client_id=name)

    def on_begin(self, msg: Any, **_: Any) -> None:
        if self.station is not None:
            self.station.begin(msg.data["started"], msg.data["index"], msg.data["of"])

    def report(self, kind: str, message: dict[str, Any]) -> None:
        """Carry a station's report to the conductor, which may be another process."""
        if self.conductor is not None:
            self.conductor.receive(kind, LOCAL, message)
        else:
            self.runner.send_message(kind, message)

    def on_report(self, msg: Any, **_: Any) -> None:
        if self.conductor is not None:
            self.conductor.receive(msg.type, msg.node_id, msg.data)

    def on_request(
        self,
        request_type: str,
        name: str,
        response_time: float | None,
        exception: Exception | None,
        context: dict[str, Any] | None = None,
        start_time: float | None = None,
        response: Any = None,
        **_: Any,
    ) -> None:
        station = self.station
        if station is None or request_type == JOB:  # a job is no request; whoever awaits it counts it
            return
        failure = None
        if isinstance(exception, BadAnswer):
            failure = (exception.kind, exception.detail[:300])
        elif exception is not None:
            failure = (type(exception).__name__, str(exception)[:300])
        seconds = (response_time or 0.0) / 1000
        status = getattr(response, "status_code", None) or 0
        flight = context.get("flight") if context else None
        if flight is not None:
            station.arrive(flight, seconds, status, failure)
        else:
            sent = time.time() - seconds if start_time is None else start_time
            station.note_foreign(request_type, name, sent, seconds, status, failure)

    def end_when_complete(self) -> None:
        """Wait for the end of the schedule, then write the files and stop locust."""
        conductor = self.conductor
        assert conductor is not None
        plan = conductor.plan
        conductor.wait(LEAD + 1 + plan.shape.duration + plan.grace + FINAL_WAIT)
        if conductor.complete.is_set():
            return
        conductor.write()
        self.linger()
        if self.options.headless:
            self.runner.quit()
        else:
            self.runner.stop()

    def on_stop(self, **_: Any) -> None:
        """Close the run before locust kills its users: what is under way would be lost on our side only."""
        if self.conductor is not None and not self.conductor.complete.is_set():
            self.stop_early(self.conductor)
        elif self.station is not None:
            self.station.close(INTERRUPTED_GRACE)
        # The closed station stays: it keeps users from sending until locust has stopped each of them.

    def stop_early(self, conductor: Conductor) -> None:
        plan = conductor.plan
        closed_ran_out = plan.mode == "closed" and self.closed_time_is_up()
        conductor.interrupted = not closed_ran_out
        grace = plan.grace if closed_ran_out else min(INTERRUPTED_GRACE, plan.grace)
        if self.station is not None:
            self.station.close(grace)
        elif self._begun:
            self.runner.send_message(CLOSE, {"grace": grace})
        if self._begun:
            conductor.wait(grace + FINAL_WAIT)
        conductor.write()
        if closed_ran_out and self.options.run_time:
            self.linger()

    def linger(self) -> None:
        """Keep the numbers of a run that is over until Prometheus has seen the last ones."""
        if self.exporter is not None and self.options.headless:
            gevent.sleep(LINGER)

    def closed_time_is_up(self) -> bool:
        """True when locust's own -t has passed, or there was none: then Ctrl-C is how such a run ends."""
        run_time = self.options.run_time
        return not run_time or time.monotonic() - self._test_started >= run_time - 1

    def on_close(self, msg: Any, **_: Any) -> None:
        if self.station is not None:
            self.station.close(msg.data["grace"])


def adopt(options: Any, plan: Plan, environment: Any) -> None:
    """Set locust's own options to what the plan needs, where the command line left them open."""
    options.lab_plan = plan.message()
    if options.num_users is None:
        options.num_users = plan.users
    if options.spawn_rate is None:
        options.spawn_rate = options.num_users
    if plan.mode == "scheduled":
        # The schedule ends the run; locust's timer would start with the first user and cut the last requests off.
        options.run_time = None
    elif plan.mix:
        chosen = [cls for cls in environment.user_classes if plan.mix.get(cls.__name__, 0) > 0]
        for cls in chosen:
            cls.weight = plan.mix[cls.__name__]
        environment.user_classes = chosen


def _add_flags(parser: Any) -> None:
    add_options(parser)


def _take_part(environment: Any, runner: Any, **_: Any) -> None:
    options = environment.parsed_options
    if options is None:
        return
    if isinstance(runner, WorkerRunner):
        if options.processes:
            end_with_parent(signal.SIGKILL)
        _parts[id(environment)] = Part(environment)
    else:
        _lead(environment, options)


def _lead(environment: Any, options: Any) -> None:
    """Take the leading part when the flags ask for a recorded run, or a Prometheus for its numbers."""
    port = metrics_port(options)
    if port is None and not recording(options):
        return
    try:
        plan = plan_of(options, environment.user_classes)
    except CannotRun as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    part = _parts[id(environment)] = Part(environment)
    exported = port is not None and part.export(port)
    adopt(options, msgspec.structs.replace(plan, exported=exported), environment)


_events: Any = locust.events
_events.init_command_line_parser.add_listener(_add_flags)
_events.init.add_listener(_take_part)
