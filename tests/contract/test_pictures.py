"""The pictures of the labs: each is made by the script, used by a text, and small."""

import re

import pytest

from docs.pictures.architecture import DRAWINGS
from docs.pictures.screens import SCREENS
from tests.service import ROOT

IMAGES = ROOT / "labs" / "images"
TEXTS = sorted((ROOT / "labs").glob("*/README*.md"))


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_what_the_script_draws(name):
    assert (IMAGES / f"{name}.svg").read_text(encoding="utf-8") == DRAWINGS[name], "next: make pictures"


def test_every_picture_is_made_by_the_script_and_used_by_a_text():
    made = {f"{name}.svg" for name in DRAWINGS} | {f"{name}.png" for name in SCREENS}
    used = {name for text in TEXTS for name in re.findall(r"\.\./images/([\w.-]+)", text.read_text(encoding="utf-8"))}
    assert {path.name for path in IMAGES.iterdir()} == made == used


@pytest.mark.parametrize("name", SCREENS)
def test_a_photograph_is_small(name):
    assert (IMAGES / f"{name}.png").stat().st_size < 300_000
