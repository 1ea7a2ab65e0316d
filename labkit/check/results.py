"""What the checks of each engine found last, kept in the state folder: one file per engine, one entry per check."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from labkit.check.finding import Finding, from_dict
from labkit.errors import CannotRun
from labkit.home import Home


def keep(home: Home, engine: str, findings: Iterable[Finding]) -> Path:
    """Write the findings over those of the same checks; the others stay, each with its own time."""
    path = _file(home, engine)
    known = {name: finding.to_dict() for name, finding in kept(home, engine).items()}
    known |= {finding.name: finding.to_dict() for finding in findings}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".json.part")
    partial.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def kept(home: Home, engine: str) -> dict[str, Finding]:
    """Return the findings by check; none when that engine was never checked. Raises CannotRun for a broken file."""
    path = _file(home, engine)
    try:
        facts: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: from_dict(one) for name, one in facts.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CannotRun(f"{path} cannot be read ({error}); next: delete it, then lab check deployment") from error


def _file(home: Home, engine: str) -> Path:
    return home.lab / "checks" / f"{engine}.json"
