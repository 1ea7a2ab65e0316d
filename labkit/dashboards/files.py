"""The dashboards as Grafana's own files: read again when one changes, found by uid."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from labkit.dashboards.variables import Variable, variables


class UnknownDashboard(LookupError):
    """No file of that uid, or one that cannot be read: the text says which."""


@dataclass(frozen=True)
class Dashboard:
    """One classic (v1) dashboard; `model` is the file's content as it is."""

    uid: str
    model: dict[str, Any]

    @property
    def title(self) -> str:
        return str(self.model.get("title") or self.uid)

    @cached_property
    def panels(self) -> dict[int, dict[str, Any]]:
        """Panels by id, those inside rows too; rows themselves have nothing to ask."""
        return {panel["id"]: panel for panel in _panels(self.model) if panel.get("type") != "row"}

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        return variables(self.model)


class Shelf:
    """The dashboards of a folder: `UID.json` each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, tuple[int, Dashboard]] = {}

    def uids(self) -> list[str]:
        """Return what there is: `home` first, the others by name."""
        found = [path.stem for path in self.folder.glob("*.json")]
        return sorted(found, key=lambda uid: (uid != "home", uid))

    def dashboard(self, uid: str) -> Dashboard:
        """Return the dashboard as its file says now. Raises UnknownDashboard."""
        if uid not in self.uids():  # never a path that a request made up
            raise UnknownDashboard(f"no dashboard {uid!r}; there are: {', '.join(self.uids()) or 'none'}")
        path = self.folder / f"{uid}.json"
        try:
            changed = path.stat().st_mtime_ns
            if (kept := self._read.get(uid)) and kept[0] == changed:
                return kept[1]
            model = json.loads(path.read_bytes())
            dashboard = Dashboard(uid, model)
            dashboard.panels, dashboard.variables  # noqa: B018  read here, so that a wrong file is told of here
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise UnknownDashboard(f"{path.name} is no dashboard: {type(error).__name__}: {error}") from None
        self._read[uid] = changed, dashboard
        return dashboard


def _panels(holder: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in holder.get("panels", ()):
        yield panel
        yield from _panels(panel)
