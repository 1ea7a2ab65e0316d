"""The index page: try each model in a browser."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import HTMLResponse

_HTML = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
# Everything is in the page itself; nothing is fetched from elsewhere, nor may the page be framed.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    "frame-ancestors 'none'"
)


def router() -> APIRouter:
    routes = APIRouter()

    @routes.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(_HTML, headers={"Content-Security-Policy": _POLICY})

    return routes
