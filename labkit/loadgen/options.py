"""The flags that this project adds to locust's command line, and the plan which they ask for."""

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from labkit.errors import CannotRun
from labkit.loadgen.keys import reason_to_stay_out, urls_of
from labkit.loadgen.plan import Plan, actions
from labkit.loadgen.scenario import (
    SHAPES,
    Constant,
    Ramp,
    Scenario,
    ShapeFacts,
    Soak,
    Spike,
    Steps,
    adjusted,
    read_scenario,
    schedule_shape,
)

DEFAULT_USERS = 50
STEP_SHARES = (0.25, 0.5, 0.75, 1.0)


def add_options(parser: Any) -> None:
    group = parser.add_argument_group("scheduled start (labkit.loadgen)")
    options: tuple[tuple[str, dict[str, Any]], ...] = (
        (
            "--rate",
            {
                "type": float,
                "metavar": "<requests/s>",
                "help": "Start requests at this rate, whatever answers take; needs -t. -u: most under way at once.",
            },
        ),
        (
            "--shape",
            {
                "choices": sorted(SHAPES),
                "help": "How the rate changes over the run, with --rate as its peak. Default constant.",
            },
        ),
        (
            "--schedule",
            {
                "metavar": "<file>",
                "help": "A scenario file (loadtests/scenarios/*.toml); --rate, -t, -u and --seed override it.",
            },
        ),
        ("--run-dir", {"metavar": "<folder>", "help": "Write requests.json, timeline.jsonl and generator.json there."}),
        ("--seed", {"type": int, "metavar": "<number>", "help": "The same seed sends the same requests."}),
        (
            "--metrics-port",
            {
                "type": int,
                "metavar": "<port>",
                "help": "Serve this run's own numbers to Prometheus. 0: not at all. "
                "Default: the port that the local stack's Prometheus asks, when --host is that stack.",
            },
        ),
        (
            "--metrics-host",
            {"default": "127.0.0.1", "metavar": "<address>", "help": "Where that port is. Default 127.0.0.1."},
        ),
    )
    for name, settings in options:
        group.add_argument(name, **settings)


def recording(options: Any) -> bool:
    """True when one of the flags asks for a scheduled or a recorded run."""
    return any(getattr(options, name, None) is not None for name in ("rate", "shape", "schedule", "run_dir"))


def metrics_port(options: Any) -> int | None:
    """Return the port of the exporter: the one given, else what the Prometheus of the stack at --host asks."""
    if options.metrics_port is not None:
        return int(options.metrics_port) or None
    return urlsplit(urls_of(options.host).locust_metrics or "").port


def shape_named(kind: str, rate: float) -> ShapeFacts:
    """Return a shape of that kind with `rate` as its peak."""
    shapes: dict[str, ShapeFacts] = {
        "constant": Constant(rate),
        "ramp": Ramp(0.0, rate),
        "steps": Steps(tuple(rate * share for share in STEP_SHARES)),
        "spike": Spike(rate / 4, rate),
        "soak": Soak(rate),
    }
    return shapes[kind]


def scenario_of(options: Any) -> Scenario:
    """Return the scenario that the flags describe. Raises CannotRun with the flag that is missing or too much."""
    duration = float(options.run_time) if options.run_time else None
    if options.schedule is not None:
        if options.shape is not None:
            raise CannotRun(f"--shape {options.shape} with --schedule {options.schedule}; give one of the two")
        given = read_scenario(Path(options.schedule))
        return adjusted(given, users=options.num_users, duration=duration, seed=options.seed)
    scheduled = options.rate is not None or options.shape is not None
    if scheduled and options.rate is None:
        raise CannotRun(f"--shape {options.shape} without --rate; add --rate with its peak, for example --rate 50")
    if scheduled and duration is None:
        raise CannotRun(f"--rate {options.rate:g} without -t; say for how long, for example -t 30s")
    return adjusted(
        Scenario(
            name="command line",
            description="from the command line",
            mode="scheduled" if scheduled else "closed",
            duration=duration or 1.0,
            users=options.num_users or (DEFAULT_USERS if scheduled else 1),
            shape=shape_named(options.shape or "constant", options.rate) if scheduled else None,
            seed=1 if options.seed is None else options.seed,
        )
    )


def plan_of(options: Any, user_classes: list[type[Any]]) -> Plan:
    """Return the plan of a run and check that the loaded users can run it. Raises CannotRun."""
    scenario = scenario_of(options)
    shape = schedule_shape(scenario, options.rate)
    if shape is None:
        check_mix(scenario, user_classes)
    mix, left_out = without_keyless(scenario, user_classes, reason_to_stay_out(urls_of(options.host)))
    if shape is None:
        return Plan(
            mode="closed",
            users=scenario.users,
            seed=scenario.seed,
            grace=scenario.grace,
            mix=mix,
            left_out=left_out,
            request_ids=secrets.token_hex(4),
        )
    for cls in user_classes:
        if not hasattr(cls, "take_ticket"):
            raise CannotRun(
                f"user class {cls.__name__} is no labkit.loadgen.users.LabUser and cannot be scheduled; "
                "name the classes to run after the flags, or leave --rate, --shape and --schedule out"
            )
    actions(user_classes, mix)
    return Plan(
        mode="scheduled",
        users=scenario.users,
        seed=scenario.seed,
        grace=scenario.grace,
        arrivals=scenario.arrivals,
        mix=mix,
        segments=tuple((part.seconds, part.first, part.last) for part in shape.segments),
        left_out=left_out,
        request_ids=secrets.token_hex(4),
    )


def without_keyless(scenario: Scenario, user_classes: list[type[Any]], why: str) -> tuple[dict[str, float], str]:
    """Return the mix that can be sent, and who is left out of it and why.

    `why`: the reason why users that need a key cannot take part, empty when they can. Raises CannotRun when nobody
    is left.
    """
    wanted = scenario.mix or {cls.__name__: float(cls.weight) for cls in user_classes}
    keyed = {cls.__name__ for cls in user_classes if getattr(cls, "needs_key", False)}
    out = sorted({name.partition(".")[0] for name, weight in wanted.items() if weight > 0} & keyed)
    if not why or not out:
        return scenario.mix, ""
    left = {name: weight for name, weight in wanted.items() if name.partition(".")[0] not in keyed}
    if not sum(left.values()) > 0:
        raise CannotRun(f"scenario {scenario.name} has only users that hand in jobs or feedback: {why}")
    return left, f"{' and '.join(out)}: {why}"


def check_mix(scenario: Scenario, user_classes: list[type[Any]]) -> None:
    """Raise CannotRun when a closed scenario's mix names anything but loaded user classes."""
    known = {cls.__name__ for cls in user_classes}
    for name in scenario.mix:
        if name not in known:
            raise CannotRun(
                f"scenario {scenario.name}: mix.{name}: a closed scenario mixes user classes, "
                f"which are: {', '.join(sorted(known))}"
            )
