"""One valid row, and the facts that the HTTP contract promises, for each model."""

from typing import Any

IRIS = [[5.1, 3.5, 1.4, 0.2], [2.4, 0.1, 5.3, 4.2]]
WINE = [14.23, 1.71, 2.43, 15.6, 127.0, 2.8, 3.06, 0.28, 2.29, 5.64, 1.04, 3.92, 1065.0]
NUMBERS: dict[str, list[float]] = {
    "iris": IRIS[0],
    "diabetes": [0.04, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0.0, 0.02, -0.02],
    "digits": [float(column * row % 17) for row in range(8) for column in range(8)],
    "forest": WINE,
}
TEXT = {"sentiment": "El servicio fue excelente y la comida, riquísima."}
ROWS: dict[str, Any] = NUMBERS | TEXT


def tensor(model: str, rows: int = 1) -> dict[str, Any]:
    """Return the input tensor of an inference request with the model's sample row, some times."""
    row = ROWS[model]
    if model in TEXT:
        return {"name": "input", "shape": [rows], "datatype": "BYTES", "data": [row] * rows}
    return {"name": "input", "shape": [rows, len(row)], "datatype": "FP64", "data": row * rows}
