"""The command `lab dashboards`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    app.command()(dashboards)


def dashboards(
    port: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=65535, help="Default: LAB_PORT_BASE + 91; 0: any.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Dashboards. Default: grafana/dashboards.")] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the first one in a browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for a machine.")] = False,
) -> None:
    """Serve Grafana's dashboards as live pages on loopback, until Ctrl-C.  Example: lab dashboards --open

    They are the files of grafana/dashboards, drawn without Grafana from the Prometheus and the logs of the running
    stack. Another deployment: LAB_PROMETHEUS_URL=http://prometheus.example:9090 lab dashboards (LAB_LOGS_URL likewise).
    """
    from labkit.dashboards.files import Shelf
    from labkit.dashboards.serving import default_port, place, serve
    from labkit.home import find_home

    found = place(find_home(), folder=folder)
    uids = Shelf(found.folder).uids()

    def ready(at: int) -> None:
        urls = {uid: f"http://127.0.0.1:{at}/d/{uid}" for uid in uids}
        if as_json:
            print(
                json.dumps({"dashboards": urls, "prometheus": found.prometheus, "logs": found.logs}, indent=2),
                flush=True,
            )
        else:
            for uid, url in urls.items():
                print(f"  {uid:<12}  {url}")
            print("Ctrl-C ends", file=sys.stderr, flush=True)
        if open_:
            import webbrowser

            webbrowser.open(urls[uids[0]])

    serve(found, default_port() if port is None else port, ready)
