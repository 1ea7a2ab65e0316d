"""`lab init`: what containers need before they can be started."""

import json
import os
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    app.command()(init)


def init(as_json: Annotated[bool, typer.Option("--json", help="Print facts for a machine.")] = False) -> None:
    """Make the secrets and settings of containers, once; what is there stays.  Example: lab init

    Secrets go into .lab/secrets, the variables of docker-compose.yml into .env. LAB_PORT_BASE moves the ports,
    COMPOSE_PROJECT_NAME names the project. No password is printed; each is a file.
    """
    from labkit.engines.preparation import prepare
    from labkit.home import find_home

    made = prepare(find_home(), os.environ)
    if as_json:
        print(json.dumps(made.to_dict(), indent=2))
        return
    what = f"{len(made.secrets.new)} new, {len(made.secrets.kept)} kept"
    print(f"secrets    {made.secrets.folder} ({what})")
    print(f"variables  {made.env_file}")
    print(f"project    {made.variables['COMPOSE_PROJECT_NAME']}, edge on port {made.variables['LAB_EDGE_PORT']}")
    option = "" if made.env_file.name == ".env" else f"--env-file {made.env_file} "
    print(f"next: lab up --engine compose, or docker compose {option}up -d --scale api=3")
