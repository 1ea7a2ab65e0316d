"""Which feedback is trained on: one label for each text, and nothing that the figures are measured on."""

import pytest

from app.training.feedback import LONGEST_TEXT, Example, Said, bare, usable

LABELS = ("Negativo", "Neutral", "Positivo")


def found(*said, known=(), held_out=()):
    return usable([Said(*one) for one in said], LABELS, known, held_out)


def test_the_newest_label_of_a_client_counts():
    result = found(("ana", "Qué bien", "Negativo"), ("ana", "¡qué bien!", "Positivo"))
    assert [example.label for example in result.examples] == ["Positivo"]
    assert result.left_out == {"replaced by a later one of the same client": 1}


def test_a_client_who_repeats_himself_has_one_vote():
    result = found(
        *[("eva", "Qué bien", "Negativo")] * 5, ("ana", "Qué bien", "Positivo"), ("leo", "Qué bien", "Positivo")
    )
    assert result.examples == (Example("Qué bien", "Positivo"),)
    assert result.left_out["contradicted by other clients"] == 1


def test_the_majority_of_the_clients_decides():
    result = found(("a", "Vale", "Neutral"), ("b", "vale", "Positivo"), ("c", "VALE", "Positivo"))
    assert result.examples == (Example("vale", "Positivo"),)
    assert result.left_out == {"contradicted by other clients": 1, "said by several clients": 1}


def test_a_tie_leaves_the_text_out():
    result = found(("a", "Vale", "Neutral"), ("b", "Vale", "Positivo"))
    assert result.examples == ()
    assert result.left_out == {"contradicted by other clients": 2}


@pytest.mark.parametrize(
    "text", ["El río está limpio.", "el rio ESTA limpio", "¡El río está limpio!", "El ri\u0301o esta\u0301 limpio"]
)
def test_what_is_measured_on_is_not_learnt_however_it_is_written(text):
    result = found(("a", text, "Positivo"), held_out=["El río está limpio."])
    assert result.examples == ()
    assert result.left_out == {"in the held-out data": 1}


def test_a_text_that_is_new_in_one_word_is_taken():
    """The control of the test above."""
    assert len(found(("a", "El río está sucio.", "Negativo"), held_out=["El río está limpio."]).examples) == 1


def test_of_a_text_of_the_original_data_the_original_label_stands():
    result = found(("a", "qué bien", "Negativo"), known=["Qué bien."])
    assert result.examples == ()
    assert result.left_out == {"already in the original data": 1}


@pytest.mark.parametrize(
    ("text", "label"),
    [("", "Neutral"), ("…", "Neutral"), ("Vale", "neutral"), ("Vale", "2"), ("a " * LONGEST_TEXT, "Neutral")],
)
def test_a_text_without_words_or_a_label_that_the_model_does_not_have_is_left_out(text, label):
    assert found(("a", text, label)).left_out == {"unusable text or label": 1}


def test_every_row_is_an_example_or_is_left_out_for_a_reason():
    texts, labels = ("uno", "dos", "tres", "cuatro", ""), (*LABELS, "Otro")
    said = [(f"client-{index % 7}", texts[index % 5], labels[index % 4]) for index in range(200)]
    result = found(*said, known=["dos"], held_out=["tres"])
    assert len(result.examples) + sum(result.left_out.values()) == result.rows == 200


def test_bare_keeps_what_tells_spanish_words_apart():
    assert bare("¡Año NUEVO, vida  nueva!") == "año nuevo vida nueva"
