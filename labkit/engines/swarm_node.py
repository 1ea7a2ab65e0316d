"""A swarm of this machine alone, for as long as a stack of `lab up` is in it."""

from labkit.engines.docker import docker
from labkit.errors import CannotRun
from labkit.stack.obtain.program import Say

BRIDGE = "docker_gwbridge"
BINDING = "com.docker.network.bridge.host_binding_ipv4"
LOOPBACK = "127.0.0.1"
# Swarm publishes ports through this bridge, and makes it itself, for all addresses, when it is not there.
OPTIONS = {
    "com.docker.network.bridge.name": BRIDGE,
    "com.docker.network.bridge.enable_icc": "false",
    "com.docker.network.bridge.enable_ip_masquerade": "false",  # no way out to the internet
    BINDING: LOOPBACK,
}


def manages() -> bool:
    """Tell whether this engine manages a swarm. Raises CannotRun when it is in one that others manage."""
    state, control = docker("info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}").split()
    if state == "inactive":
        return False
    if state == "active" and control == "true":
        return True
    raise CannotRun(f"this Docker engine is in a swarm that it does not manage ({state}); next: deploy from a manager")


def begin(say: Say) -> None:
    """Make a swarm whose ports, its own and those it publishes, are for this machine alone. Raises CannotRun."""
    remove_bridge()
    say("making a swarm of this machine, on 127.0.0.1")
    options = [part for name, value in OPTIONS.items() for part in ("--opt", f"{name}={value}")]
    docker("network", "create", "--driver", "bridge", *options, BRIDGE)
    addresses = ["--advertise-addr", LOOPBACK, "--data-path-addr", LOOPBACK, "--listen-addr", f"{LOOPBACK}:2377"]
    docker("swarm", "init", *addresses)


def end() -> None:
    """Leave the swarm that `begin` made; with its only node it is gone."""
    if manages():
        docker("swarm", "leave", "--force")
    remove_bridge()


def remove_bridge() -> None:
    """Remove the bridge that an earlier swarm has left. Raises CannotRun while a container uses it."""
    if BRIDGE in docker("network", "ls", "--format", "{{.Name}}").split():
        docker("network", "rm", BRIDGE)


def open_to_others() -> bool:
    """Tell whether published ports can be reached from other machines."""
    shown = docker("network", "inspect", BRIDGE, "--format", f'{{{{index .Options "{BINDING}"}}}}')
    return shown.strip() != LOOPBACK
