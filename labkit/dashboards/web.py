"""The web application: the page, the files as they are, and the answers of panels."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from labkit.dashboards.choices import choices
from labkit.dashboards.files import Shelf, UnknownDashboard
from labkit.dashboards.guard import Guard
from labkit.dashboards.happened import happened
from labkit.dashboards.log_panels import LogDesk
from labkit.dashboards.panels import Asked, Sources, answer
from labkit.dashboards.prometheus import Prometheus
from labkit.dashboards.variables import WrongValue
from labkit.dashboards.window import WrongTime, window
from labkit.home import Home

STATIC = Path(__file__).with_name("static")
MOST_PANELS = 60  # in one request


@dataclass(frozen=True)
class Place:
    """What the pages show: the files, the addresses (`logs` None when there is no store) and the scrape interval."""

    home: Home
    folder: Path
    prometheus: str
    logs: str | None
    scrape: float


class Pages:
    """The handlers; `sources` exist while the application runs."""

    def __init__(self, place: Place, clock: Callable[[], float] = time.time) -> None:
        self.place = place
        self.shelf = Shelf(place.folder)
        self.clock = clock
        self.sources: Sources

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        desk = LogDesk(self.place.logs)
        async with Prometheus(self.place.prometheus) as prometheus:
            self.sources = Sources(prometheus, desk, self.place.scrape)
            try:
                yield
            finally:
                desk.close()

    async def page(self, request: Request) -> Response:
        uid = request.path_params.get("uid")
        known = uid is None or uid in self.shelf.uids()
        return FileResponse(STATIC / "page.html", 200 if known else 404)

    async def healthz(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok", "dashboards": self.shelf.uids()})

    async def listing(self, _request: Request) -> Response:
        """Every dashboard by name and description; a file that cannot be read says so in its description."""
        found = []
        for uid in self.shelf.uids():
            try:
                dashboard = self.shelf.dashboard(uid)
            except UnknownDashboard as error:
                found.append({"uid": uid, "title": uid, "description": str(error), "panels": 0})
                continue
            about = str(dashboard.model.get("description") or "")
            found.append({"uid": uid, "title": dashboard.title, "description": about, "panels": len(dashboard.panels)})
        return JSONResponse({"dashboards": found, "prometheus": self.place.prometheus, "logs": self.place.logs})

    async def model(self, request: Request) -> Response:
        return JSONResponse(self.shelf.dashboard(request.path_params["uid"]).model)

    async def variables(self, request: Request) -> Response:
        asked = self._asked(request)
        return JSONResponse({"variables": await choices(asked, self.sources.prometheus)})

    async def data(self, request: Request) -> Response:
        """Answer `panels=ID:POINTS,...` in one go; each panel has its own problems, none holds up another."""
        asked = self._asked(request)
        wanted = _wanted(request.query_params.get("panels", ""), asked)
        answers = await asyncio.gather(
            *(answer(asked, asked.dashboard.panels[ident], points, self.sources) for ident, points in wanted)
        )
        body = {
            "start": asked.span.start,
            "end": asked.span.end,
            "panels": [asdict(one) for one in answers],
            **happened(self.place.home, asked.span),
        }
        return Response(json.dumps(body, separators=(",", ":"), default=str), media_type="application/json")

    def _asked(self, request: Request) -> Asked:
        query = request.query_params
        dashboard = self.shelf.dashboard(request.path_params["uid"])
        span = window(query.get("from", "now-15m"), query.get("to", "now"), self.clock())
        names = [one.name for one in dashboard.variables]
        return Asked(dashboard, {name: tuple(query.getlist(f"var-{name}")) for name in names}, span)


def application(place: Place, port: int) -> Starlette:
    """Build the application that is served on this port of the loopback address."""
    pages = Pages(place)
    routes = [
        Route("/", pages.page),
        Route("/d/{uid}", pages.page),
        Route("/healthz", pages.healthz),
        Route("/api/dashboards", pages.listing),
        Route("/api/dashboards/{uid}", pages.model),
        Route("/api/dashboards/{uid}/variables", pages.variables),
        Route("/api/dashboards/{uid}/data", pages.data),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, port=port)],
        exception_handlers={UnknownDashboard: _not_there, WrongTime: _wrong, WrongValue: _wrong},
        lifespan=pages.lifespan,
    )


def _wanted(text: str, asked: Asked) -> list[tuple[int, int]]:
    """Read "3:800,4:400": panel ids and how many points each has room for. Raises WrongValue."""
    wanted = []
    for part in filter(None, text.split(",")):
        ident, _, points = part.partition(":")
        if not (ident.isascii() and ident.isdigit() and (points or "0").isascii() and (points or "0").isdigit()):
            raise WrongValue(f"panels={part!r}; write ID:POINTS")
        if int(ident) not in asked.dashboard.panels:
            raise WrongValue(f"dashboard {asked.dashboard.uid} has no panel {ident}; next: reload the page")
        wanted.append((int(ident), max(20, int(points[:6] or 500))))
    if len(wanted) > MOST_PANELS:
        raise WrongValue(f"{len(wanted)} panels in one request; at most {MOST_PANELS}")
    return wanted


async def _not_there(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 404)


async def _wrong(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)
