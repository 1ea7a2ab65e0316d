"""What the models answer, how fast, and what people say of it; versions side by side."""

from itertools import pairwise

from app.telemetry.catalogue import SCORE_BUCKETS
from grafana.generator.board import Board, Choice, row
from grafana.generator.panels import Column, Query, bad_below, bad_from, bars, dial, fact, graph, heat, listing
from grafana.generator.promql import (
    WINDOW,
    below,
    buckets,
    counted,
    mean,
    or_zero,
    quantile,
    rate,
    share,
    share_each,
    total,
)

ROWS, INFERENCE, SCORE = "predictions_total", "model_inference_seconds", "prediction_score"
CHOSEN = 'model=~"$model"'
VERSION = "model, version"
NAME = "{{model}} {{version}}"
SPOILT = 'outcome=~"shed|failed"'
# Scores at and above which a text is neutral and positive (DESIGN); both are bounds of the histogram's buckets.
NEUTRAL, POSITIVE = 0.45, 0.55
AGREE = bad_below(0.9, 0.75)


def opinion(upper: float) -> str:
    """Return the colour of a bar of scores: red negative, yellow neutral, green positive."""
    if upper <= NEUTRAL:
        return "red"
    return "yellow" if upper <= POSITIVE else "green"


def scores(lower: float, upper: float, window: str) -> str:
    """Return how many scores lie above `lower` and up to `upper`: cumulative buckets, subtracted."""
    up_to = counted(SCORE, CHOSEN, window=window) if upper == 1 else below(upper, SCORE, CHOSEN, window=window)
    return up_to if lower == 0 else f"{up_to} - {below(lower, SCORE, CHOSEN, window=window)}"


def score_share(lower: float, upper: float) -> str:
    """Return the share of the scores that lies there."""
    return f"({scores(lower, upper, WINDOW)}) / ({counted(SCORE, CHOSEN)} > 0)"


BARS = {f"{lower:.2f}–{upper:.2f}": (lower, upper) for lower, upper in pairwise((0.0, *SCORE_BUCKETS))}


def agreement(by: str = "") -> str:
    """Return the share of the feedback that agrees with the prediction, over the time shown."""
    every, agreeing = "feedback_total", 'verdict="agree"'
    where = (CHOSEN,)
    whole = rate(every, *where, by=by, window="$__range")
    part = rate(every, *where, agreeing, by=by, window="$__range")
    return share_each(part, whole) if by else f"({or_zero(part)}) / ({whole} > 0)"


BOARD = Board(
    "models",
    "Models",
    "Predictions of api and workers. A model can be wrong while every request is fast and 200: that shows only here.",
    (
        row(
            "Now",
            fact(
                "Rows predicted",
                "Rows a second, of requests and of jobs; each carries one or many rows.",
                "rowsps",
                Query(or_zero(rate(ROWS, CHOSEN)), "rows"),
            ),
            fact(
                "From the cache",
                "Share of the rows answered without asking the model. Rises when the same rows come again.",
                "percentunit",
                Query(share(rate(ROWS, CHOSEN, 'outcome="cached"'), rate(ROWS, CHOSEN)), "cached"),
                decimals=1,
            ),
            fact(
                "Shed or failed",
                "Share of the rows that got no prediction though their input was right. Red from one in a thousand on.",
                "percentunit",
                Query(share(rate(ROWS, CHOSEN, SPOILT), rate(ROWS, CHOSEN)), "no prediction"),
                steps=bad_from(0.001, 0.0005),
                decimals=2,
            ),
            fact(
                "Invalid input",
                "Share of the rows that are not what the model takes. A jump is a client's new version.",
                "percentunit",
                Query(share(rate(ROWS, CHOSEN, 'outcome="invalid"'), rate(ROWS, CHOSEN)), "invalid"),
                decimals=1,
            ),
            fact(
                "Inference p99",
                "Slowest hundredth of the calls of a model, all chosen models together. Choose one above to see"
                " it alone.",
                "s",
                Query(quantile(0.99, INFERENCE, CHOSEN), "p99"),
            ),
            fact(
                "Feedback agrees",
                "Share of the feedback in the time shown that says the prediction was right. Below three quarters:"
                " look at the classes, then retrain.",
                "percentunit",
                Query(agreement(), "agree"),
                steps=AGREE,
                decimals=0,
            ),
        ),
        row(
            "Answers",
            graph(
                "Rows by model",
                "Which model is asked how much. The heavy ones cost most processor time even with few rows.",
                "rowsps",
                Query(rate(ROWS, CHOSEN, by="model"), "{{model}}"),
                stacked=True,
            ),
            graph(
                "Rows by outcome",
                "computed by the model, cached, invalid input, shed because its queue was full, failed.",
                "rowsps",
                Query(rate(ROWS, CHOSEN, by="outcome"), "{{outcome}}"),
            ),
            graph(
                "Predictions by class",
                "What the models say. A class that vanishes or takes over while the load is the same means that the"
                " input has drifted, or the version has changed.",
                "rowsps",
                Query(rate("prediction_labels_total", CHOSEN, by="model, label"), "{{model}} {{label}}"),
                stacked=True,
            ),
        ),
        row(
            "Scores of sentiment",
            bars(
                "Scores, negative to positive",
                "Histogram of the scores in the time shown: red Negativo, yellow Neutral, green Positivo. Mass in the"
                " middle means a model that is not sure.",
                "short",
                *(Query(scores(lower, upper, "$__range"), name) for name, (lower, upper) in BARS.items()),
                upright=True,
                colours={name: opinion(upper) for name, (_, upper) in BARS.items()},
            ),
            graph(
                "Positive, neutral, negative",
                "The same over time, as shares. A shift without a change of version is news from your users.",
                "percentunit",
                Query(score_share(POSITIVE, 1), "Positivo"),
                Query(score_share(NEUTRAL, POSITIVE), "Neutral"),
                Query(score_share(0, NEUTRAL), "Negativo"),
                stacked=True,
                most=1,
            ),
            heat(
                "Scores over time",
                "Darker is more. Stripes at few scores: the same texts again and again.",
                "short",
                Query(buckets(SCORE, CHOSEN), "{{le}}"),
            ),
        ),
        row(
            "What people say",
            dial(
                "Agreement",
                "Share of the feedback that says the prediction was right, over the time shown.",
                "percentunit",
                Query(agreement(), "agree"),
                steps=AGREE,
            ),
            bars(
                "Agreement by model",
                "Which model people disagree with. Few verdicts weigh little: see the next panel for how many.",
                "percentunit",
                Query(agreement("model"), "{{model}}"),
                steps=AGREE,
            ),
            graph(
                "Feedback by verdict",
                "Verdicts stored a second. Disagreement is what retraining learns from.",
                "cps",
                Query(rate("feedback_total", CHOSEN, by="model, verdict"), "{{model}} {{verdict}}"),
                width=12,
                stacked=True,
            ),
        ),
        row(
            "Versions side by side",
            graph(
                "Share of traffic",
                "What share of a model's requests each version is to get. A canary starts small.",
                "percentunit",
                Query(total("model_traffic_share", CHOSEN, by=VERSION, of="avg"), NAME),
                most=1,
            ),
            graph(
                "Rows by version",
                "What each version really got. Must follow the shares; a version without rows cannot be compared.",
                "rowsps",
                Query(rate(ROWS, CHOSEN, by=VERSION), NAME),
            ),
            graph(
                "Inference p50 by version",
                "The usual time of one call (one batch). Compare versions of one model, not models.",
                "s",
                Query(quantile(0.5, INFERENCE, CHOSEN, by=VERSION), NAME),
            ),
            listing(
                "Versions, as of now",
                "A canary is better when its cells are: share, rows, times, rows without prediction.",
                VERSION,
                Column("share", total("model_traffic_share", CHOSEN, by=VERSION, of="avg"), "percentunit"),
                Column("rows", rate(ROWS, CHOSEN, by=VERSION), "rowsps"),
                Column("inference p50", quantile(0.5, INFERENCE, CHOSEN, by=VERSION), "s"),
                Column("inference p99", quantile(0.99, INFERENCE, CHOSEN, by=VERSION), "s"),
                Column(
                    "shed or failed",
                    share_each(rate(ROWS, CHOSEN, SPOILT, by=VERSION), rate(ROWS, CHOSEN, by=VERSION)),
                    "percentunit",
                    bad_from(0.001),
                ),
            ),
        ),
        row(
            "Inference",
            graph(
                "Inference p99 by model",
                "Slowest hundredth of the calls. Times rise with the size of batches; that is why they exist.",
                "s",
                Query(quantile(0.99, INFERENCE, CHOSEN, by="model"), "{{model}}"),
            ),
            graph(
                "Rows in a batch",
                "Mean rows in one call of a model. Rises with load where batching works.",
                "short",
                Query(mean("model_batch_size", CHOSEN, by="model"), "{{model}}"),
            ),
            graph(
                "Rows waiting",
                "Rows that wait for a heavy model. Empty most of the time is right; full means that requests are shed.",
                "short",
                Query(total("model_queue_rows", CHOSEN, by=VERSION), NAME),
            ),
        ),
    ),
    (Choice("model", "Model", "label_values(predictions_total, model)"),),
)
