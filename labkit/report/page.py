"""report.html: one file with everything in it, readable without a network."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from labkit.report import words
from labkit.report.figures import run_plots
from labkit.report.jobs import jobs_truth
from labkit.report.prometheus import ServerView
from labkit.report.run_folder import Run
from labkit.report.summary import Summary
from labkit.report.truth import truth

VERDICTS = {
    "good": "Every objective was kept.",
    "breached": "At least one objective was not kept.",
    "invalid": "This run proves nothing about the service:",
    "unjudged": "No objective applies to this run.",
}

GLOSSARY = (
    ("service time", "From the moment a request was sent to the end of its answer: what the server needed."),
    (
        "response time",
        "From the moment a request should have been sent to the end of its answer: what a user waits, "
        "because users do not hold back while the system is busy.",
    ),
    (
        "coordinated omission",
        "A generator that waits for a slow answer before it sends the next request skips exactly the requests that "
        "would have been slow. Service time alone has this fault; response time does not.",
    ),
    ("offered rate", "Requests a second that the schedule asks for, whether or not the system keeps up."),
    ("achieved", "The part of the schedule that was sent on time."),
    ("follow-up", "A request that another one led to, such as asking how a job is: no schedule intended it."),
    ("lag", "How many messages of a log its consumers have still before them."),
    ("goodput", "Good answers a second: correct, complete and not an error."),
    ("saturation", "How full a resource is. Near 100 % every further request waits."),
    ("shed", "Refused at once (503) because accepting would have made everybody wait."),
    ("p99", "99 of 100 requests were at least this fast; the hundredth was slower."),
)


def write_page(path: Path, summary: Summary, run: Run, view: ServerView) -> None:
    """Write the page of a run."""
    sections = run_plots(summary, run, view)
    write(path, "template.html", s=summary, plots=sections, verdict_text=VERDICTS[summary.verdict], view=view,
          jobs_text=jobs_truth(summary.jobs) if summary.jobs else "",
          truth_text=truth(summary.reconciliation))  # fmt: skip


def write(path: Path, template: str, **values: Any) -> None:
    """Render a template of this folder; every value is escaped, plotly's own script goes in as it is."""
    text = _environment().get_template(template).render(plotly=get_plotlyjs(), glossary=GLOSSARY, **values)
    path.write_text(text, encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("labkit.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("count", "number", "percent", "quantity", "limit", "duration", "moment", "signed", "change"):
        environment.filters[name] = getattr(words, name)
    return environment
