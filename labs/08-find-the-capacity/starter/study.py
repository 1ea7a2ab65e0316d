"""Given, nothing to fill in: reads the samples, asks your capacity.py, says and draws what came of it.

python study.py look       a table of the sizes, and Little's law on each
python study.py predict    the fit, and what it says about NEXT   -> prediction.json, capacity.html
python study.py compare    the prediction beside the measurement  -> capacity.html
python study.py replicas   one replica and two
"""

import hashlib
import json
import sys
import time
from pathlib import Path

import capacity
import numpy as np
import plotly.graph_objects as go

HERE = Path(__file__).parent
STEADY = 0.06  # a machine that changed by less is the same


def read(name):
    """Return the runs of a file of samples."""
    try:
        return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        sys.exit(f"{name} is not there yet; next: python {HERE.name}/measure.py {name.split('.')[0].replace('-', ' ')}")


def points(runs):
    """Return the sizes, and the median throughput of each, as arrays."""
    sizes = sorted({run["size"] for run in runs})
    medians = [np.median([capacity.throughput(run) for run in runs if run["size"] == size]) for size in sizes]
    return np.array(sizes, dtype=float), np.array(medians)


def median(runs, of):
    return float(np.median([of(run) for run in runs]))


def look():
    runs = read("sizes.jsonl")
    print("texts in a  throughput X  response R     X·R  looked at:")
    print("    request     (texts/s)        (ms)          in flight")
    for size, x in zip(*points(runs), strict=True):
        those = [run for run in runs if run["size"] == size]
        r = median(those, lambda run: np.mean(run["latencies_ms"]))
        little = median(those, capacity.texts_in_flight)
        seen = median(those, lambda run: run["in_flight"] * run["size"])
        print(f"{size:11.0f} {x:13.0f} {r:11.2f} {little:7.2f} {seen:10.2f}")


def predict():
    sizes, throughputs = points(read("sizes.jsonl"))
    size = task()["NEXT"]
    rate, contention, coherency = (float(one) for one in capacity.fit(sizes, throughputs))
    facts = {
        "size": size,
        "texts_per_second": float(capacity.usl(size, rate, contention, coherency)),
        "rate": rate,
        "contention": contention,
        "coherency": coherency,
        "knee": float(capacity.knee(rate, contention)),
        "samples": hashlib.sha256((HERE / "sizes.jsonl").read_bytes()).hexdigest(),
        "at": time.time(),
    }
    (HERE / "prediction.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(f"λ {rate:.0f} texts/s   σ {contention:.4f}   κ {coherency:.2g}")
    print(f"knee at {facts['knee']:.1f} texts, ceiling {capacity.ceiling(rate, contention):.0f} texts/s")
    print(f"prediction for {size} texts in a request: {facts['texts_per_second']:.0f} texts/s")
    draw(sizes, throughputs, facts, None)


def compare():
    sizes, throughputs = points(read("sizes.jsonl"))
    facts = json.loads((HERE / "prediction.json").read_text(encoding="utf-8"))
    measured = median([run for run in read("next.jsonl") if run["size"] == facts["size"]], capacity.throughput)
    said, speed = facts["texts_per_second"], control()
    print(f"{facts['size']} texts in a request: predicted {said:.0f} texts/s, measured {measured:.0f} texts/s")
    if abs(speed - 1) > STEADY:
        said *= speed
        print(f"control: the machine had {speed:.2f} of its speed before; on it the prediction is {said:.0f} texts/s")
    print(f"the prediction is off by {said / measured - 1:+.1%}")
    draw(sizes, throughputs, facts | {"texts_per_second": said}, measured)


def control():
    """Return how fast the machine was, of its speed before, by the sizes that were measured both times."""
    before, now = (dict(zip(*points(read(name)), strict=True)) for name in ("sizes.jsonl", "next.jsonl"))
    return float(np.mean([now[size] / before[size] for size in now if size in before]))


def replicas():
    one, two = (median(read(f"replicas-{count}.jsonl"), capacity.throughput) for count in (1, 2))
    busy = [median(read(f"replicas-{count}.jsonl"), lambda run: run["cpu_busy"]) for count in (1, 2)]
    print(f"one replica   {one:6.0f} texts/s, the machine's CPUs {busy[0]:.0%} busy")
    print(f"two replicas  {two:6.0f} texts/s, the machine's CPUs {busy[1]:.0%} busy")
    print(f"efficiency    {capacity.efficiency(one, two):.2f} (1 would be twice as much)")


def draw(sizes, throughputs, facts, measured):
    """Draw points, curve, ceiling and prediction into capacity.html."""
    law = facts["rate"], facts["contention"], facts["coherency"]
    along = np.linspace(1, facts["size"] * 1.1, 200)
    ceiling = capacity.ceiling(*law[:2])
    figure = go.Figure(layout_template="none", layout_title_text="Throughput by the size of a request")
    figure.add_scatter(x=along, y=capacity.usl(along, *law), name="Universal Scalability Law", line_color="#1f6fb4")
    start = along[along * facts["rate"] <= ceiling]
    figure.add_scatter(x=start, y=start * facts["rate"], name="λN", line={"color": "#999", "dash": "dot"})
    figure.add_scatter(x=along, y=0 * along + ceiling, name="ceiling", line={"color": "#999", "dash": "dash"})
    figure.add_scatter(x=sizes, y=throughputs, name="measured", mode="markers", marker={"color": "#222", "size": 8})
    said = {"color": "#d1603d", "size": 14, "symbol": "circle-open", "line": {"width": 2}}
    figure.add_scatter(x=[facts["size"]], y=[facts["texts_per_second"]], name="predicted", mode="markers", marker=said)
    if measured is not None:
        then = {"color": "#d1603d", "size": 8}
        figure.add_scatter(x=[facts["size"]], y=[measured], name="then measured", mode="markers", marker=then)
    figure.add_vline(x=facts["knee"], line_dash="dot", annotation_text=f"knee {facts['knee']:.0f}")
    figure.update_xaxes(title_text="texts in one request, N", rangemode="tozero")
    figure.update_yaxes(title_text="throughput (texts/s)", rangemode="tozero")
    figure.write_html(HERE / "capacity.html", include_plotlyjs="directory")
    print(f"drawn: {HERE / 'capacity.html'}")


def task():
    """Return the numbers of task.env."""
    lines = (HERE / "task.env").read_text(encoding="utf-8").splitlines()
    return {name: int(value) for name, _, value in (line.partition("=") for line in lines) if value}


if __name__ == "__main__":
    steps = {"look": look, "predict": predict, "compare": compare, "replicas": replicas}
    if len(sys.argv) != 2 or sys.argv[1] not in steps:
        sys.exit(__doc__)
    steps[sys.argv[1]]()
