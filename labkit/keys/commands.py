"""The commands around the API keys: who may hand in jobs and feedback."""

import json
import sys
from typing import Annotated

import typer

from labkit.home import find_home
from labkit.keys.keyring import KeyRing

keys = typer.Typer(
    no_args_is_help=True,
    help="List, add and remove the API keys of clients.  Example: lab keys list",
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The client: 1 to 32 of a-z, 0-9 and -.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    app.add_typer(keys, name="keys")


@keys.command("list")
def list_clients(
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for a machine.")] = False,
) -> None:
    """List the clients that have a key; the keys themselves are not stored.  Example: lab keys list"""
    names = _ring().names()
    if as_json:
        print(json.dumps({"clients": names}))
    elif names:
        print("\n".join(names))
    else:
        print("no client has a key yet; next: lab up, or lab keys add NAME")


@keys.command()
def add(name: Name) -> None:
    """Give a client a new key and print it: this once, it cannot be shown again.  Example: lab keys add ana"""
    print(_ring().add(name))
    print(f"next: the client {name} sends it as the header X-API-Key", file=sys.stderr)


@keys.command()
def remove(name: Name) -> None:
    """Take a client's key away; a running service refuses it about a second later.  Example: lab keys remove ana"""
    _ring().remove(name)
    print(f"the key of {name} is not valid any more")


def _ring() -> KeyRing:
    return KeyRing(find_home().secrets)
