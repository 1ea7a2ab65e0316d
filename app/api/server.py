"""Two uvicorn servers in one event loop: the service, and its metrics on a port of their own."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn

from app.api.application import create
from app.api.exchange import App
from app.api.exposition import exposition_app
from app.api.protocol import LabProtocol, close_slow_heads
from app.api.readiness import ReadinessState
from app.bootstrap import build
from app.config import Settings


class PortTaken(Exception):
    """A port cannot be listened on; the text names it, the reason and the setting."""


class Server(uvicorn.Server):
    """A uvicorn server that leaves the signals to us: there are two of them, and readiness goes down first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises PortTaken, ArtefactChanged or WrongCanary."""
    with (
        _listener(settings.api_host, settings.api_port, "LAB_API_PORT") as api_socket,
        _listener(settings.metrics_host, settings.metrics_port, "LAB_METRICS_PORT") as metrics_socket,
    ):
        services = await build(settings)
        try:
            app, readiness = create(services)
            api, metrics = Server(configuration(app)), Server(configuration(exposition_app(services.metrics)))
            _drain_on_signal(api, metrics, readiness, settings.drain_seconds)
            async with asyncio.TaskGroup() as tasks:
                guard = tasks.create_task(close_slow_heads(api.server_state.connections, settings.head_timeout))
                deployments = tasks.create_task(services.deployments.follow())
                await asyncio.gather(api.serve([api_socket]), metrics.serve([metrics_socket]))
                guard.cancel()
                deployments.cancel()
        finally:
            await services.close()


def configuration(app: App) -> uvicorn.Config:
    """Return how uvicorn runs an application of ours: no log of its own, nothing that nobody asked for."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=LabProtocol,
        ws="none",
        interface="asgi3",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=4096,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
    )


def _drain_on_signal(api: Server, metrics: Server, readiness: ReadinessState, drain_seconds: float) -> None:
    async def drain() -> None:
        readiness.lower("draining")
        await asyncio.sleep(drain_seconds)
        api.should_exit = metrics.should_exit = True

    loop = asyncio.get_running_loop()
    draining: list[asyncio.Task[None]] = []

    def begin() -> None:
        if not draining:
            draining.append(loop.create_task(drain()))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin)


@contextlib.contextmanager
def _listener(host: str, port: int, setting: str) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise PortTaken(f"cannot listen on {host}:{port}: {reason}; next: set {setting} to a free port") from None
        yield listener
