"""Files of JSON lines that a student's programs write while they run."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any


def json_lines(file: Path) -> list[dict[str, Any]]:
    """Return the objects of a file, one a line. What is torn or something else is passed over; no file, no line."""
    found = []
    with suppress(OSError):
        for line in file.read_bytes().splitlines():
            with suppress(ValueError):
                one = json.loads(line)
                if isinstance(one, dict):
                    found.append(one)
    return found
