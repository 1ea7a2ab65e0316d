"""The option --engine of commands that change a deployment."""

from typing import Annotated

import typer

EngineName = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help="process, compose, swarm or k8s; else the one that is up."),
]
