"""What a label may be, and what agrees with it."""

import pytest

from app.core.errors import RequestRefused
from app.core.labels import checked_label, verdict
from tests.fake_models import LABELS, MOODS, info, text_info

REGRESSOR = info("diabetes", kind="regressor", labels=())


@pytest.mark.parametrize(
    ("facts", "label", "taken"),
    [
        *((info(), index, index) for index in range(3)),
        *((info(), label, index) for index, label in enumerate(LABELS)),
        *((text_info(), mood, mood) for mood in MOODS),
        (REGRESSOR, 150, 150.0),
        (REGRESSOR, -0.5, -0.5),
        (REGRESSOR, 0, 0.0),
        # The names of digits are digits: a text is the name, a number the index.
        (info("digits", labels=tuple("9876543210")), "9", 0),
        (info("digits", labels=tuple("9876543210")), 9, 9),
    ],
)
def test_a_label_of_the_model_is_taken_as_the_model_would_answer_it(facts, label, taken):
    found = checked_label(label, facts)
    assert (found, type(found)) == (taken, type(taken))


@pytest.mark.parametrize(
    ("facts", "label"),
    [
        (info(), 3),
        (info(), -1),
        (info(), 1.0),
        (info(), "rose"),
        (info(), ""),
        (info(), 10**400),
        (text_info(), "positivo"),
        (text_info(), 2),
        (text_info(), 0.5),
        (REGRESSOR, "150"),
        (REGRESSOR, float("inf")),
        (REGRESSOR, float("nan")),
        (REGRESSOR, 10**400),
    ],
)
def test_any_other_label_is_refused_with_what_is_wanted(facts, label):
    with pytest.raises(RequestRefused) as refused:
        checked_label(label, facts)
    assert refused.value.kind == "wrong-shape"
    assert "`$.label`" in refused.value.detail
    assert len(refused.value.detail) < 250
    assert (facts.labels[0] if facts.labels else "a finite number") in refused.value.detail


@pytest.mark.parametrize(
    ("facts", "predicted", "label", "says"),
    [
        (info(), 1, 1, "agree"),
        (info(), 1, 2, "disagree"),
        (text_info(), "Neutral", "Neutral", "agree"),
        (text_info(), "Neutral", "Positivo", "disagree"),
        (REGRESSOR, 110.0, 100.0, "agree"),
        (REGRESSOR, 90.0, 100.0, "agree"),
        (REGRESSOR, 110.1, 100.0, "disagree"),
        (REGRESSOR, -110.0, -100.0, "agree"),
        (REGRESSOR, 100.0, -100.0, "disagree"),
        (REGRESSOR, 0.0, 0.0, "agree"),
        (REGRESSOR, 0.01, 0.0, "disagree"),
        (REGRESSOR, "no number", 100.0, "disagree"),
    ],
)
def test_a_prediction_agrees_when_it_is_equal_or_within_a_tenth_of_a_number(facts, predicted, label, says):
    assert verdict(predicted, label, facts) == says
