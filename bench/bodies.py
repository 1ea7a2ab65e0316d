"""The bodies that are posted: rows of the data that the models know, one body a line."""

import json
from pathlib import Path

from sklearn.datasets import load_iris, load_wine

SERIAL = "#" * 9
"""Stands for a number that the load never repeats (requests.lua)."""


def iris_bodies() -> list[str]:
    """150 bodies, one flower each. They repeat, which helps nobody: none of the servers caches iris."""
    rows, _ = load_iris(return_X_y=True)
    return [json.dumps({"data": [row]}) for row in rows.tolist()]


def wine_bodies() -> list[str]:
    """178 bodies, one wine each, the serial number in the decimals of the first measurement: no cache can help.

    Alcohol is given in hundredths of a percent; less than a thousandth is added, so the forest works on real wines.
    """
    rows, _ = load_wine(return_X_y=True)
    return [
        f'{{"data": [[{alcohol:.2f}0{SERIAL}, {", ".join(map(str, others))}]]}}' for alcohol, *others in rows.tolist()
    ]


def write(bodies: list[str], path: Path) -> Path:
    path.write_text("".join(f"{body}\n" for body in bodies))
    return path
