"""Inputs for the models, each decided by one integer: the same draw gives the same bytes."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Values = list[list[float]] | list[str]

POPULAR_SHARE, POPULAR = 30, 64
"""Of 100 draws, 30 are one of 64 popular inputs, so that a cache has something to do; the others are new."""

SUBJECTS = ("El pedido", "La atención", "El producto", "La entrega", "El manual", "La tienda", "El precio", "La app")
PREDICATES = (
    "llegó antes de lo esperado y en perfecto estado",
    "llegó roto y nadie responde a mis mensajes",
    "cumple lo que promete, muy contento con la compra",
    "es una pérdida de dinero, no lo recomiendo",
    "es como se describe en la página",
    "se puede consultar de lunes a viernes",
    "funciona de maravilla desde el primer día",
    "dejó de funcionar a la semana y no aceptan la devolución",
    "fue amable y resolvió todo enseguida",
    "incluye un cable y una guía de inicio",
)

# Lowest and highest value of each column of the data that the models were trained on.
WINE = (
    (11.0, 14.8),
    (0.7, 5.8),
    (1.4, 3.2),
    (10.6, 30.0),
    (70, 162),
    (1.0, 3.9),
    (0.3, 5.1),
    (0.1, 0.7),
    (0.4, 3.6),
    (1.3, 13.0),
    (0.5, 1.7),
    (1.3, 4.0),
    (278, 1680),
)
IRIS = ((4.3, 7.9), (2.0, 4.4), (1.0, 6.9), (0.1, 2.5))
DIABETES = ((-0.11, 0.2),) * 10


@dataclass(frozen=True)
class Model:
    """What a client must know of a model: how to make a row, and what a result may be (`labels` None: any number)."""

    name: str
    kind: Literal["classifier", "regressor", "text"]
    row: Callable[[random.Random], Any]
    labels: frozenset[int | str] | None
    most_rows: int = 4


def _columns(ranges: tuple[tuple[float, float], ...]) -> Callable[[random.Random], list[float]]:
    return lambda chance: [round(low + (high - low) * chance.random(), 3) for low, high in ranges]


def _picture(chance: random.Random) -> list[float]:
    """Return 8 x 8 grey values 0..16 with ink in the middle columns, as in the digits that the model knows."""
    ink = chance.choices(range(17), k=64)
    return [float(value) if 1 <= position % 8 <= 6 else 0.0 for position, value in enumerate(ink)]


TONES = ("Positivo", "Negativo", "Positivo", "Negativo", "Neutral", "Neutral", "Positivo", "Negativo", "Positivo",
         "Neutral")  # fmt: skip
"""What each of PREDICATES says."""


def _sentence(chance: random.Random) -> str:
    return f"{chance.choice(SUBJECTS)} {chance.choice(PREDICATES)}, referencia {chance.randrange(100_000)}."


MODELS = {
    model.name: model
    for model in (
        Model("iris", "classifier", _columns(IRIS), frozenset(range(3))),
        Model("diabetes", "regressor", _columns(DIABETES), None),
        Model("digits", "classifier", _picture, frozenset(range(10)), most_rows=2),
        Model("sentiment", "text", _sentence, frozenset(("Positivo", "Neutral", "Negativo"))),
        Model("forest", "classifier", _columns(WINE), frozenset(range(3)), most_rows=2),
    )
}


def rows_for(model: Model, draw: int, rows: int | None = None) -> Values:
    """Return `rows` inputs of a model (1 to its `most_rows` by the draw when not given), decided by `draw` alone.

    A given number of rows is never one of the popular inputs: it is there to make the model work.
    """
    if rows is None and draw % 100 < POPULAR_SHARE:
        draw = draw // 100 % POPULAR
    chance = random.Random(draw)  # noqa: S311  (test data, no secret)
    count = chance.randint(1, model.most_rows) if rows is None else rows
    return [model.row(chance) for _ in range(count)]


def labelled_sentence(draw: int) -> tuple[str, str]:
    """Return a text for the sentiment model and its true label."""
    tone = TONES[draw % len(TONES)]
    return f"{SUBJECTS[draw // 16 % len(SUBJECTS)]} {PREDICATES[draw % len(PREDICATES)]}, referencia {draw}.", tone


def other_label(model: Model, label: int | str, draw: int) -> int | str:
    """Return a label of a classifier other than this one."""
    others = sorted((one for one in model.labels or () if one != label), key=str)
    return others[draw % len(others)]
