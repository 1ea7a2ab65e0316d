"""One line of the catalogue, and how it becomes a component that can be started."""

import json
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.home import Home
from labkit.stack.component import Component
from labkit.stack.obtain.program import Program
from labkit.stack.ports import HOST, LOAD_GENERATOR
from labkit.stack.record import write_whole


@dataclass(frozen=True)
class ConfigFile:
    """A file of the project, copied to the run folder with exact pieces of text replaced."""

    source: str
    target: str
    replace: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Once:
    """A command that runs before the first start: when the file `makes` is not there."""

    makes: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A component as data. Texts may use the fields of `Site.fill`, such as {host} or {port[redis]}.

    `program` names what runs it (a key of obtain.SOURCES, or python), `also` what is needed beside it ({path[java]});
    `ports` are offsets from the port base, the first one is shown; `scrape` is the Prometheus job and the port under
    which it can be scraped; `copies` are patterns of the project's files, each with the folder of the run folder that
    gets what fits; for `needs`, `before` and `own_log` see Component.
    """

    name: str
    program: str
    command: tuple[str, ...]
    ports: Mapping[str, int]
    probes: tuple[str, ...]
    needs: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[ConfigFile, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
    own_log: str | None = None
    once: Once | None = None
    scrape: tuple[str, str] | None = None
    ready_within: float = 30.0
    stop_within: float = 10.0


@dataclass(frozen=True)
class Site:
    """Where a stack is set up: folders, port base and the programs that were found."""

    home: Home
    base: int
    entries: tuple[Entry, ...]
    programs: Mapping[str, Program]
    now: float = field(default_factory=time.time)

    def port(self, name: str) -> int:
        return self.ports[name]

    @property
    def ports(self) -> dict[str, int]:
        return {name: self.base + offset for entry in self.entries for name, offset in entry.ports.items()}

    @property
    def brokers(self) -> list[str]:
        """The addresses of Kafka for its clients, HOST:PORT."""
        return [f"{HOST}:{self.ports[entry.name]}" for entry in self.entries if is_broker(entry.name)]

    def fill(self, text: str, entry: Entry) -> str:
        """Return the text with its {fields} filled in."""
        apis = [other.name for other in self.entries if other.name.startswith("api-")]
        brokers = self.brokers
        return text.format(
            name=entry.name,
            host=HOST,
            port=self.ports,
            program=self.programs[entry.program].path,
            path={name: program.path for name, program in self.programs.items()},
            root=self.home.root,
            run=self.home.run,
            data=self.home.data / entry.name,
            replicas=len(apis),
            now=f"{self.now:.3f}",
            kafka=",".join(brokers),
            copies=3 if len(brokers) >= 3 else 1,
            gelf=f"udp://{HOST}:{self.ports['gelf']}" if "gelf" in self.ports else "",
            elasticsearch=f"http://{HOST}:{self.ports['elasticsearch']}" if "elasticsearch" in self.ports else "",
            logs=self.home.logs,
            store=f"redis://{HOST}:{self.ports['redis-jobs']}/0" if "redis-jobs" in self.ports else "",
            shared=self.home.data,
            secrets=self.home.secrets,
        )

    def component(self, entry: Entry) -> Component:
        """Return the entry with everything filled in, ready to be started."""
        present = {other.name for other in self.entries}
        program, *arguments = (self.fill(text, entry) for text in entry.command)
        return Component(
            name=entry.name,
            command=(program, *arguments, *self.programs[entry.program].arguments),
            environment={name: self.fill(text, entry) for name, text in entry.environment.items()},
            ports={name: self.ports[name] for name in entry.ports},
            probes=tuple(self.fill(text, entry) for text in entry.probes),
            needs=tuple(name for name in entry.needs if name in present),
            before=tuple(name for name in entry.before if name in present),
            own_log=self.fill(entry.own_log, entry) if entry.own_log else None,
            ready_within=entry.ready_within,
            stop_within=entry.stop_within,
        )

    def write_files(self) -> None:
        """Write the configuration of every entry and the scrape targets into the run folder; make data folders."""
        for entry in self.entries:
            (self.home.data / entry.name).mkdir(parents=True, exist_ok=True)
            for file in entry.files:
                target = self.home.run / file.target
                target.parent.mkdir(parents=True, exist_ok=True)
                replace = {old: self.fill(new, entry) for old, new in file.replace.items()}
                target.write_text(rendered(self.home.root / file.source, replace), encoding="utf-8")
            for pattern, folder in entry.copies.items():
                (self.home.run / folder).mkdir(parents=True, exist_ok=True)
                for source in self.home.root.glob(pattern):
                    shutil.copyfile(source, self.home.run / folder / source.name)
        self.write_targets()

    def write_targets(self) -> None:
        """Write Prometheus's target files, which it reads again by itself; a job that has no target left gets none."""
        folder = self.home.run / "prometheus" / "targets"
        folder.mkdir(parents=True, exist_ok=True)
        jobs: dict[str, list[dict[str, Any]]] = {path.stem: [] for path in folder.glob("*.json")}
        jobs |= self.scrape_targets()
        for job, groups in jobs.items():
            write_whole(folder / f"{job}.json", json.dumps(groups, indent=1))

    def scrape_targets(self) -> dict[str, list[dict[str, Any]]]:
        """Return Prometheus's file_sd content for each job; the label `replica` is the component's name.

        The load generator is none: its target is there all the time, and answers while a load runs.
        """
        load = {"targets": [f"{HOST}:{self.base + LOAD_GENERATOR}"], "labels": {"replica": "locust"}}
        jobs: dict[str, list[dict[str, Any]]] = {"locust": [load]}
        for entry in self.entries:
            if entry.scrape is not None:
                job, port = entry.scrape
                target: dict[str, Any] = {"targets": [f"{HOST}:{self.ports[port]}"], "labels": {"replica": entry.name}}
                jobs.setdefault(job, []).append(target)
        return jobs


def rendered(source: Path, replace: Mapping[str, str]) -> str:
    """Return the file's text with each piece replaced; raises ValueError unless it occurs exactly once."""
    text = source.read_text(encoding="utf-8")
    for old, new in replace.items():
        if text.count(old) != 1:
            raise ValueError(f"{source}: {old!r} occurs {text.count(old)} times instead of once")
        text = text.replace(old, new)
    return text


def claims(entries: Iterable[Entry], base: int) -> list[tuple[str, int]]:
    """Return each component's name with each port that it listens on."""
    return [(entry.name, base + offset) for entry in entries for offset in entry.ports.values()]


def is_broker(name: str) -> bool:
    """Tell whether a component of that name is one to which Kafka's clients connect."""
    return name == "kafka" or name.startswith("kafka-")


def needed_programs(entries: Iterable[Entry]) -> list[str]:
    """Return the names of the programs that have to be obtained, each once, in catalogue order."""
    names = [name for entry in entries for name in (*entry.also, entry.program)]
    return [name for name in dict.fromkeys(names) if name != "python"]
