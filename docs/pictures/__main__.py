"""`python -m docs.pictures` writes the drawings; `… 05` walks through lab 05 and takes its pictures, too."""

import sys
import tempfile
from pathlib import Path

from docs.pictures.architecture import DRAWINGS
from labkit.course.manifest import read_course
from labkit.home import find_home

IMAGES = Path(__file__).parents[2] / "labs" / "images"


def draw() -> None:
    IMAGES.mkdir(exist_ok=True)
    for name, drawing in DRAWINGS.items():
        (IMAGES / f"{name}.svg").write_text(drawing, encoding="utf-8")


def photograph(number: str) -> None:
    """Walk through a lab up to its clean-up and take its pictures on the stack that is then up."""
    from docs.pictures.screens import SCREENS, take
    from tests.course.walk import Place

    lab = read_course(find_home()).lab(number)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), lab)
        try:
            walked = place.walk(lab.text, until="## Clean up")
            if walked.code:
                sys.exit(f"the walk through lab {number} ended with {walked.code}: {walked.told()}")
            print(walked.said)  # what the blocks of output in the text are held against
            for name in (name for name, (of, _) in SCREENS.items() if of == lab.number):
                (IMAGES / f"{name}.png").write_bytes(take(name, place))
                print(f"{name}.png")
        finally:
            place.down()


if __name__ == "__main__":
    draw()
    for asked in sys.argv[1:]:
        photograph(asked)
