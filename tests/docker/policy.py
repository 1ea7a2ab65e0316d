"""What every container must keep, and who keeps it: read from a rendered Compose file or from `docker inspect`."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXCEPTIONS = Path(__file__).with_name("exceptions.toml")
OURS = "observability-lab"


@dataclass(frozen=True)
class Confinement:
    """How one container is confined, whoever says so; limits are 0 where there are none."""

    service: str
    image: str
    user: str
    read_only: bool
    dropped: frozenset[str]
    added: frozenset[str]
    options: frozenset[str]
    memory: float
    cpus: float
    pids: float
    health: tuple[str, ...]
    sources: tuple[str, ...]
    shares: tuple[str, ...]

    @property
    def ours(self) -> bool:
        return self.image.startswith(OURS)


RULES: Mapping[str, Callable[[Confinement], bool]] = {
    "non-root": lambda one: one.user.partition(":")[0] not in {"", "0", "root"},
    "read-only root": lambda one: one.read_only,
    "no capabilities": lambda one: one.dropped == {"ALL"} and not one.added,
    "no-new-privileges": lambda one: bool(one.options & {"no-new-privileges", "no-new-privileges:true"}),
    "memory limit": lambda one: one.memory > 0,
    "cpu limit": lambda one: one.cpus > 0,
    "pids limit": lambda one: one.pids > 0,
    "healthcheck": lambda one: bool(one.health) and one.health[0] != "NONE",
    "no docker socket": lambda one: not any(source.endswith("docker.sock") for source in one.sources),
    "own namespaces": lambda one: not one.shares,
}


def broken(one: Confinement) -> list[str]:
    """Return the names of the rules that a container does not keep."""
    return [rule for rule, kept in RULES.items() if not kept(one)]


def of_service(name: str, service: Mapping[str, Any]) -> Confinement:
    """Read a service of `docker compose config --format json`."""
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    check = service.get("healthcheck", {})
    spaces = ("pid", "ipc", "network_mode", "userns_mode")
    return Confinement(
        service=name,
        image=service.get("image", ""),
        user=str(service.get("user", "")),
        read_only=service.get("read_only", False),
        dropped=frozenset(service.get("cap_drop", ())),
        added=frozenset(service.get("cap_add", ())),
        options=frozenset(service.get("security_opt", ())),
        memory=_number(service.get("mem_limit", limits.get("memory"))),
        cpus=_number(service.get("cpus", limits.get("cpus"))),
        pids=_number(service.get("pids_limit", limits.get("pids"))),
        health=() if check.get("disable") else tuple(check.get("test", ())),
        sources=tuple(str(mount.get("source", "")) for mount in service.get("volumes", ())),
        shares=tuple(
            [space for space in spaces if service.get(space) == "host"]
            + ["privileged"] * bool(service.get("privileged"))
        ),
    )


def of_container(found: Mapping[str, Any]) -> Confinement:
    """Read one container of `docker inspect`."""
    config, host = found["Config"], found["HostConfig"]
    labels = config["Labels"] or {}
    spaces = {"pid": "PidMode", "ipc": "IpcMode", "network_mode": "NetworkMode", "userns_mode": "UsernsMode"}
    return Confinement(
        service=labels.get("com.docker.compose.service", found["Name"].removeprefix("/")),
        image=config["Image"],
        user=config["User"],
        read_only=host["ReadonlyRootfs"],
        dropped=frozenset(host["CapDrop"] or ()),
        added=frozenset(host["CapAdd"] or ()),
        options=frozenset(host["SecurityOpt"] or ()),
        memory=_number(host["Memory"]),
        cpus=_number(host["NanoCpus"]) or _number(host["CpuQuota"]),
        pids=_number(host["PidsLimit"]),
        health=tuple((config.get("Healthcheck") or {}).get("Test") or ()),
        sources=tuple(mount.get("Source", "") for mount in found["Mounts"]),
        shares=tuple(
            [space for space, key in spaces.items() if host[key] == "host"] + ["privileged"] * bool(host["Privileged"])
        ),
    )


@dataclass(frozen=True)
class Allowed:
    """A rule that an image of others cannot keep."""

    service: str
    rule: str
    reason: str


def allowed() -> list[Allowed]:
    """Read the exceptions. Raises ValueError for a rule that does not exist and for one without a reason."""
    found = [Allowed(**entry) for entry in tomllib.loads(EXCEPTIONS.read_text(encoding="utf-8")).get("exception", ())]
    for one in found:
        if one.rule not in RULES or len(one.reason) < 20:
            raise ValueError(f"{EXCEPTIONS.name}: {one.service}: rule {one.rule!r}, reason {one.reason!r}")
    return found


def findings(containers: Iterable[Confinement], exceptions: Iterable[Allowed] = ()) -> list[str]:
    """Return what is broken without an allowed exception; ours have none."""
    excused = {(one.service, one.rule) for one in exceptions}
    return [
        f"{one.service} ({one.image}): {rule}"
        for one in containers
        for rule in broken(one)
        if one.ours or (one.service, rule) not in excused
    ]


def _number(value: object) -> float:
    """Return a limit as a number; a size such as "64m" is more than none."""
    text = str(value or 0).lower().rstrip("kmgb")
    return max(float(text), 0.0)
