"""Checks of lab 08: the samples against the service's own counters, the formulas on curves nobody has seen."""

import hashlib
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from labkit.check.finding import Finding, judged
from labkit.course.evidence.functions import called, close, shown
from labkit.course.work import Work
from labkit.loadgen.bodies import MODELS, rows_for
from labkit.prove.prometheus import Prometheus
from notebooks.analysis.capacity import Curve, fitted, medians

SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64)
FEWEST_RUNS = 5
WITHIN = 0.15
STEADY = 0.06
EDGES = 0.02  # of the requests may lie on the other side of a scrape
SETTLED_S = 1.3  # after the last answer the next scrape has counted it
POST = '{route="/models/{model}/predict",status="200"}'
REQUESTS, TEXTS = f"http_requests_total{POST}", 'model_batch_size_sum{model="sentiment"}'
ALL, SMALL = 'model_batch_size_count{model="sentiment"}', 'model_batch_size_bucket{model="sentiment",le="64.0"}'


class Run(msgspec.Struct, frozen=True):
    """A line of samples, as measure.py writes it."""

    size: int
    users: int
    started: float
    seconds: float
    answered: int
    failed: int
    latencies_ms: list[float]
    in_flight: float
    cpu_busy: float

    @property
    def throughput(self) -> float:
        return self.size * self.answered / self.seconds


@dataclass(frozen=True)
class Window:
    """Runs that followed one another; `fault` says why there are none."""

    runs: Sequence[Run]
    fault: str = ""

    @property
    def begun(self) -> float:
        return min(run.started for run in self.runs)

    @property
    def ended(self) -> float:
        return max(run.started + run.seconds for run in self.runs)

    @property
    def counted(self) -> float:
        """A moment by which the last answer has been scraped."""
        return self.ended + SETTLED_S

    @property
    def typical(self) -> dict[float, float]:
        """Median throughput by size."""
        return medians((run.size, run.throughput) for run in self.runs)


def increase(work: Work, series: str, begun: float, until: float) -> dict[str, float]:
    """Return by replica how much a counter of the service rose; what was not there at the beginning began at 0."""
    query = f"sum by (replica) ({series})"
    with Prometheus(work.prometheus) as source:
        before, after = (
            {labels["replica"]: value for labels, value in source.values(query, moment)} for moment in (begun, until)
        )
    return {replica: after[replica] - before.get(replica, 0.0) for replica in after}


def window(work: Work, name: str) -> Window:
    """Read a file of samples."""
    if not (text := work.text(name).strip()):
        return Window((), f"there is no {name}")
    try:
        runs = msgspec.json.Decoder(Run).decode_lines(text)
    except msgspec.MsgspecError as error:
        return Window((), f"{name} is not as measure.py writes it: {error}")
    if any(run.seconds <= 0 or run.answered <= 0 or run.answered != len(run.latencies_ms) for run in runs):
        return Window((), f"{name} has a run without answers, or more answers than latencies")
    return Window(runs)


def command(work: Work, words: str) -> str:
    return f"python {work.shown}/{words}"


def made_up_run(chance: random.Random) -> dict[str, Any]:
    answered = chance.randint(20, 90)
    latencies = [round(chance.uniform(2, 40), 3) for _ in range(answered)]
    return {"size": chance.randint(2, 90), "users": 1, "answered": answered, "seconds": chance.uniform(0.3, 3),
            "failed": 0, "latencies_ms": latencies, "in_flight": 1.0, "cpu_busy": 0.5, "started": 1.0}  # fmt: skip


def check_the_sizes_were_measured_on_this_service(work: Work) -> Finding:
    """The samples of all sizes are there, and the service counted the same requests and texts at that time."""
    there = window(work, "sizes.jsonl")
    expected = f"{FEWEST_RUNS} runs or more of each size {SIZES}, and as many requests and texts counted by the service"
    again = command(work, "measure.py sizes")
    if there.fault:
        return judged(False, expected=expected, seen=there.fault, next_step=again)
    short = [size for size in SIZES if sum(run.size == size for run in there.runs) < FEWEST_RUNS]
    if short:
        return judged(False, expected=expected, seen=f"too few runs of the sizes {short}", next_step=again)
    requests, texts = sum(run.answered for run in there.runs), sum(run.answered * run.size for run in there.runs)
    counted = [sum(increase(work, one, there.begun, there.counted).values()) for one in (REQUESTS, TEXTS)]
    return judged(
        close(counted[0], requests, EDGES) and close(counted[1], texts, EDGES),
        expected=f"{requests} requests and {texts} texts, as in sizes.jsonl, counted by this stack's Prometheus",
        seen=f"{requests} requests with {texts} texts sent; {counted[0]:.0f} and {counted[1]:.0f} counted",
        next_step=f"{again} on this very stack, with nothing else sending",
    )


def check_throughput_counts_texts_a_second(work: Work) -> Finding:
    """The function `throughput` is right on runs that it has not seen."""
    runs = [made_up_run(random.Random(time.time_ns())) for _ in range(3)]  # noqa: S311
    told = called(work.folder, "capacity", [("throughput", [run]) for run in runs])
    true = [run["size"] * run["answered"] / run["seconds"] for run in runs]
    one = runs[0]
    return judged(
        all(map(close, told, true)),
        expected=f"{true[0]:.1f} texts/s for {one['answered']} requests of {one['size']} in {one['seconds']:.2f} s",
        seen=f"throughput gives {shown(told[0])} for {one['answered']} × {one['size']} texts in {one['seconds']:.2f} s",
        next_step=f"throughput in {work.shown}/capacity.py: what is counted, per which time?",
    )


def check_littles_law_holds(work: Work) -> Finding:
    """The function `texts_in_flight` is X·R, and agrees with what was looked at while the load ran."""
    run, there = made_up_run(random.Random(time.time_ns())), window(work, "sizes.jsonl")  # noqa: S311
    true = run["size"] * sum(run["latencies_ms"]) / 1000 / run["seconds"]
    asked = [run, *map(msgspec.to_builtins, there.runs)]
    told = called(work.folder, "capacity", [("texts_in_flight", [one]) for one in asked])
    if not close(told[0], true) or there.fault:
        return judged(
            False,
            expected=f"{true:.2f} texts in flight by X·R on a made-up run, and on yours what was looked at",
            seen=f"texts_in_flight gives {shown(told[0])} for a made-up run; {there.fault or 'sizes.jsonl is there'}",
            next_step=f"texts_in_flight in {work.shown}/capacity.py: X in texts/s times the mean of the latencies in s",
        )
    ratios = [n / (r.in_flight * r.size) for n, r in zip(told[1:], there.runs, strict=True) if r.in_flight]
    ratio = statistics.median(ratios) if ratios else 0.0
    return judged(
        close(ratio, 1.0, 0.05),
        expected="X·R within 5 % of the texts in flight that measure.py saw when it looked every 2 ms",
        seen=f"X·R is {ratio:.3f} of what was looked at, in the middle of {len(ratios)} runs",
        next_step=f"{command(work, 'study.py look')}, and look at the last two columns",
    )


def check_curve_fit_and_knee_are_right(work: Work) -> Finding:
    """The functions `usl`, `fit`, `ceiling` and `knee` find what a made-up curve was made of."""
    chance = random.Random(time.time_ns())  # noqa: S311
    for _ in range(2):
        true = Curve(chance.uniform(50, 900), chance.uniform(0.02, 0.2), chance.uniform(1e-5, 1e-4))
        law, points = [true.rate, true.contention, true.coherency], true.at(SIZES).tolist()
        calls = [("usl", [list(SIZES), *law]), ("fit", [list(SIZES), points]), ("ceiling", law[:2]), ("knee", law[:2])]
        rights = ((points, 0.001), (law, 0.05), (true.ceiling, 0.001), (true.knee, 0.001))
        answers = called(work.folder, "capacity", calls)
        parts = [(name, told, *right) for (name, _), told, right in zip(calls, answers, rights, strict=True)]
        wrong = [(name, told, right) for name, told, right, share in parts if not close(told, right, share)]
        if wrong:
            break
    of = f"λ {true.rate:.1f}, σ {true.contention:.4f}, κ {true.coherency:.2g}"
    return judged(
        not wrong,
        expected="; ".join(f"{name} {shown(right)}" for name, _, right in wrong) + f" for a curve of {of}",
        seen="; ".join(f"{name} gives {shown(told)}" for name, told, _ in wrong)
        or f"fit found {shown(answers[1])} of {of}",
        next_step=f"{wrong[0][0] if wrong else 'fit'} in {work.shown}/capacity.py; lab hint 08",
    )


def prediction(work: Work) -> dict[str, Any]:
    """Return prediction.json, empty when it is not there or not what study.py writes."""
    try:
        facts = json.loads(work.text("prediction.json"))
        numbers = {name: float(facts[name]) for name in ("texts_per_second", "rate", "contention", "coherency", "at")}
        return {**numbers, "size": int(facts["size"]), "samples": str(facts["samples"])}
    except (ValueError, KeyError, TypeError):
        return {}


def check_the_prediction_comes_from_the_samples(work: Work) -> Finding:
    """The prediction is for the student's own size, and its curve is the one that fits the samples."""
    said, there, size = prediction(work), window(work, "sizes.jsonl"), work.numbers["NEXT"]
    again = command(work, "study.py predict")
    if not said or there.fault or len(there.typical) < len(SIZES):
        fault = there.fault or "there is no prediction.json that study.py has written"
        expected = f"a prediction for {size} texts in a request, from the curve that fits sizes.jsonl"
        return judged(False, expected=expected, seen=fault, next_step=again)
    curve = fitted(list(there.typical), list(there.typical.values()))
    mine = Curve(said["rate"], said["contention"], said["coherency"])
    off = float(abs(mine.at([*SIZES, size]) / curve.at([*SIZES, size]) - 1).max())
    fresh = said["samples"] == hashlib.sha256((work.folder / "sizes.jsonl").read_bytes()).hexdigest()
    of_curve = close(said["texts_per_second"], float(mine.at(size)))
    good = said["size"] == size and fresh and off <= 0.03 and of_curve
    return judged(
        good,
        expected=f"{float(curve.at(size)):.0f} texts/s at {size}, by a curve within 3 % of the check's own fit",
        seen=f"{said['texts_per_second']:.0f} texts/s at {said['size']}; knee {mine.knee:.1f}; the curve is off by "
        f"{off:.1%} at most" + ("" if fresh else "; sizes.jsonl has changed since"),
        next_step=f"{again}, then {command(work, 'measure.py next')}",
    )


def check_the_prediction_was_made_before_the_measurement(work: Work) -> Finding:
    """No request of more than 64 texts was answered before the prediction; as many as were measured came after it."""
    said, first, then = prediction(work), window(work, "sizes.jsonl"), window(work, "next.jsonl")
    expected = "the sizes, then prediction.json, then the first request of the next size: by the files and the counters"
    again = ", then ".join(command(work, one) for one in ("measure.py sizes", "study.py predict", "measure.py next"))
    if not said or first.fault or then.fault:
        fault = first.fault or then.fault or "there is no prediction.json that study.py has written"
        return judged(False, expected=expected, seen=fault, next_step=again)
    written = max(said["at"], (work.folder / "prediction.json").stat().st_mtime)
    before = large(work, first.begun, written)
    after, sent = large(work, then.begun, then.counted), sum(r.answered for r in then.runs if r.size == said["size"])
    order = first.ended <= said["at"] <= written <= then.begun
    seen = f"predicted {then.begun - written:.0f} s before the measurement; " if order else "not in that order; "
    return judged(
        order and before == 0 and close(after, sent, EDGES) and sent > 0,
        expected=f"{expected}; 0 large requests before, {sent} while they were measured",
        seen=seen + f"of more than 64 texts: {before:.0f} requests before the prediction, {after:.0f} of {sent} after",
        next_step=again,
    )


def large(work: Work, begun: float, until: float) -> float:
    """Return how many calls of the model had more than 64 texts."""
    every, small = (sum(increase(work, one, begun, until).values()) for one in (ALL, SMALL))
    return every - small


def check_the_prediction_holds(work: Work) -> Finding:
    """The prediction is within 15 % of the measurement, on a machine as fast as the control says."""
    said, first, then = prediction(work), window(work, "sizes.jsonl"), window(work, "next.jsonl")
    fault = first.fault or then.fault or ("" if said else "there is no prediction.json that study.py has written")
    before, now = first.typical, then.typical
    control = [now[size] / before[size] for size in now if size in before]
    if fault or said["size"] not in now or len(control) < 2:
        return judged(
            False,
            expected=f"prediction and measurement of {work.numbers['NEXT']} texts in a request within {WITHIN:.0%}",
            seen=fault or "next.jsonl lacks the predicted size, or the control sizes",
            next_step=f"{command(work, 'study.py predict')}, then {command(work, 'measure.py next')}",
        )
    speed = statistics.fmean(control)
    steady = abs(speed - 1) <= STEADY
    plain, measured = said["texts_per_second"], now[said["size"]]
    predicted = plain if steady else plain * speed
    return judged(
        close(predicted, measured, WITHIN) and 1 / 3 <= speed <= 3,
        expected=f"a prediction within {WITHIN:.0%} of {measured:.0f} texts/s",
        seen=f"predicted {plain:.0f}, measured {measured:.0f} texts/s; the machine had {speed:.2f} of its speed"
        + ("" if steady else f", for which {predicted:.0f} were predicted")
        + f": {predicted / measured - 1:+.1%}",
        next_step=f"close what else takes the processor; {command(work, 'measure.py sizes')}, and all that follows",
    )


def check_a_measured_point_is_real_now(work: Work) -> Finding:
    """The service answers requests of 16 texts about as fast as the samples say: within a factor of 3, in 2 seconds."""
    there = window(work, "sizes.jsonl")
    true = there.typical.get(16, 0.0) if not there.fault else 0.0
    expected = "a throughput at 16 texts that the service shows now, too, within a factor of 3"
    again = command(work, "measure.py sizes")
    if not true:
        return judged(False, expected=expected, seen=there.fault or "no runs of 16 texts", next_step=again)
    texts, answered, begun = rows_for(MODELS["sentiment"], time.time_ns(), 16), 0, time.perf_counter()
    try:
        with httpx.Client(base_url=work.urls.service, timeout=5, trust_env=False) as client:
            while time.perf_counter() - begun < 2:
                data = [f"{texts[0]} {time.time_ns()}", *texts[1:]]
                answered += client.post("/models/sentiment/predict", json={"data": data}).status_code == 200
    except httpx.HTTPError as error:
        seen = f"the service does not answer: {type(error).__name__}"
        return judged(False, expected=expected, seen=seen, next_step="lab status")
    now = 16 * answered / (time.perf_counter() - begun)
    return judged(
        true / 3 <= now <= true * 3,
        expected=f"between {true / 3:.0f} and {true * 3:.0f} texts/s",
        seen=f"{now:.0f} texts/s now, {true:.0f} in the samples",
        next_step=f"lab status: is everything ready? then {again}",
    )


def check_two_replicas_were_compared_with_one(work: Work) -> Finding:
    """The same load ran on one replica and on two, by the service's own counters; `efficiency` is right."""
    one, two = (window(work, f"replicas-{count}.jsonl") for count in (1, 2))
    chance = random.Random(time.time_ns())  # noqa: S311
    single, double = chance.uniform(1000, 5000), chance.uniform(1000, 9000)
    (told,) = called(work.folder, "capacity", [("efficiency", [single, double])])
    right = f"efficiency {double / single / 2:.3f} for {single:.0f} and {double:.0f} texts/s"
    if one.fault or two.fault or not close(told, double / single / 2):
        return judged(
            False,
            expected=f"samples of one replica and of two; {right}",
            seen="; ".join(filter(None, (one.fault, two.fault, f"efficiency gives {shown(told)}"))),
            next_step=f"efficiency; {command(work, 'measure.py replicas 1')}, lab scale api 2, measure.py replicas 2",
        )
    shares, good = [], []
    for there, count in ((one, 1), (two, 2)):
        sent = sum(run.answered for run in there.runs)
        by = {name: n for name, n in increase(work, REQUESTS, there.begun, there.counted).items() if n > 0.1 * sent}
        good.append(len(by) == count and close(sum(by.values()), sent, EDGES))
        shares.append(" + ".join(f"{n:.0f}" for n in by.values()) or "0")
    x = [statistics.median(run.throughput for run in there.runs) for there in (one, two)]
    return judged(
        all(good),
        expected="in replicas-1.jsonl one replica that answered all, in replicas-2.jsonl two that shared the requests",
        seen=f"{x[0]:.0f} texts/s with one replica ({shares[0]} requests), {x[1]:.0f} with two ({shares[1]}): "
        f"efficiency {x[1] / x[0] / 2:.2f}",
        next_step=f"lab scale api 1, {command(work, 'measure.py replicas 1')}; then the same with 2",
    )
