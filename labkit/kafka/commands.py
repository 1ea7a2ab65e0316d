"""The commands of a Kafka client: topics, groups, lag, tail, produce; and the brokers of the stack: kill, start."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from labkit.kafka.facts import Lag, Topic
    from labkit.kafka.messages import Message

Json = Annotated[bool, typer.Option("--json", help="Print facts for a machine.")]
Broker = Annotated[
    int, typer.Argument(metavar="N", help="The broker's number; 1 is the only one unless --profile cluster.")
]

kafka = typer.Typer(
    no_args_is_help=True,
    help="See and use Kafka as a client does.  Example: lab kafka topics\n\nLAB_KAFKA=host:port names another Kafka.",
)


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    for command in (topics, groups, lag, tail, produce, kill, start):
        kafka.command()(command)
    app.add_typer(kafka, name="kafka")


def topics(
    internal: Annotated[bool, typer.Option("--internal", help="Kafka's own topics too.")] = False, as_json: Json = False
) -> None:
    """List topics: partitions, leader, replicas in sync, offsets, messages.  Example: lab kafka topics"""
    from labkit.kafka import facts
    from labkit.kafka.connection import ask, bootstrap_servers

    found = ask(bootstrap_servers(), lambda client: facts.topics(client, internal=internal))
    if as_json:
        _print_json([_topic(topic) for topic in found])
        return
    if not found:
        print("no topic yet; next: lab load jobs, or lab up with a service that uses them")
        return
    from labkit.kafka.tables import console, topics_table

    console().print(topics_table(found))


def groups(as_json: Json = False) -> None:
    """List consumer groups: state, members, which partitions each reads.  Example: lab kafka groups"""
    from labkit.kafka import facts
    from labkit.kafka.connection import ask, bootstrap_servers

    found = ask(bootstrap_servers(), facts.groups)
    if as_json:
        _print_json([asdict(group) for group in found])
        return
    if not found:
        print("no group yet; next: lab up (its worker is one)")
        return
    from labkit.kafka.tables import console, groups_table

    console().print(groups_table(found))


def lag(
    group: Annotated[str | None, typer.Argument(metavar="[GROUP]", help="One group. Default: all.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, once a second, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show how far groups are behind: committed offset, end, lag of each partition.  Example: lab kafka lag --watch"""
    from labkit.kafka import facts
    from labkit.kafka.connection import ask, bootstrap_servers

    servers = bootstrap_servers()

    def look() -> tuple[facts.Lag, ...]:
        return ask(servers, lambda client: facts.lags(client, group))

    from labkit.kafka import tables
    from labkit.kafka.watch import again_and_again, watch_table

    if not watch and as_json:
        _print_lag_json(look(), 2)
    elif not watch:
        tables.console().print(tables.lag_table(look()))
    else:
        with suppress(KeyboardInterrupt):
            if as_json:
                for rows, trouble in again_and_again(look):
                    print(trouble, end="\n" if trouble else "", file=sys.stderr)
                    _print_lag_json(rows, None)
            else:
                watch_table(look, tables.console())


def tail(
    topic: Annotated[str, typer.Argument(metavar="TOPIC")],
    lines: Annotated[int | None, typer.Option("--lines", "-n", min=0, help="How many messages. Default: 10.")] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="All from the first one that is kept (with -n: so many).")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new messages until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print messages: partition, offset, time, key, headers, value.  Example: lab kafka tail jobs -f

    It reads as a client without a group: nobody's offsets move.
    """
    from labkit.kafka import facts, messages
    from labkit.kafka.connection import ask, bootstrap_servers, reader

    servers = bootstrap_servers()
    seen = ask(servers, lambda client: facts.topic_named(client, topic))
    for part in seen.partitions:
        if part.end is None:
            print(
                f"{topic} {part.number}: its leader does not answer; what is stored there is left out", file=sys.stderr
            )
    show = _message_printer(as_json)
    with suppress(KeyboardInterrupt), reader(servers) as client:
        stored = messages.from_start(client, seen) if from_start else messages.last(client, seen, lines or 10)
        for record in islice(stored, lines):
            show(messages.message(record))
        if follow:
            for record in messages.new(client, seen):
                show(messages.message(record))


def produce(
    topic: Annotated[str, typer.Argument(metavar="TOPIC")],
    key: Annotated[str | None, typer.Option(help="Messages with the same key go to the same partition.")] = None,
    value: Annotated[str | None, typer.Option(help="The message. Default: each line of stdin is one.")] = None,
    file: Annotated[Path | None, typer.Option(help="The whole file is one message.")] = None,
    header: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="May be given again.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Write messages, print where each is stored.  Example: lab kafka produce jobs --key me --value '{"model": "iris"}'

    Done once all in-sync replicas have it.
    """
    from labkit.errors import CannotRun
    from labkit.kafka import facts, messages
    from labkit.kafka.connection import ask, bootstrap_servers, writer

    if value is not None and file is not None:
        raise CannotRun("--value and --file are both given; next: leave one out")
    headers = [messages.parse_header(one) for one in header or ()]
    values = iter([value.encode()]) if value is not None else _values(file)
    servers = bootstrap_servers()
    ask(servers, lambda client: facts.topic_named(client, topic))
    with writer(servers) as client:
        for stored in messages.produce(client, topic, key, values, headers):
            if as_json:
                print(json.dumps(asdict(stored)), flush=True)
            else:
                print(f"{stored.topic} {stored.partition} @ {stored.offset}", flush=True)


def kill(number: Broker) -> None:
    """Kill a broker (kill -9) and keep it away.  Example: lab kafka kill 2"""
    from labkit.home import find_home
    from labkit.kafka.brokers import broker
    from labkit.stack.change_commands import kill_component

    kill_component(broker(find_home(), number), f"lab kafka start {number}")


def start(number: Broker) -> None:
    """Start a broker that was killed, wait until it is ready.  Example: lab kafka start 2"""
    from labkit.home import find_home
    from labkit.kafka.brokers import broker
    from labkit.stack.change_commands import start_component

    start_component(broker(find_home(), number))


def _values(file: Path | None) -> Iterator[bytes]:
    """Return the one message of a file, or those of stdin. Raises CannotRun."""
    from labkit.errors import CannotRun

    if file is not None:
        try:
            return iter([file.read_bytes()])
        except OSError as error:
            raise CannotRun(f"--file {file}: {error.strerror}; next: name a file that can be read") from None
    if sys.stdin.isatty():
        print("one message a line; Ctrl-D ends", file=sys.stderr)
    return (line.rstrip(b"\r\n") for line in sys.stdin.buffer if line.strip())


def _message_printer(as_json: bool) -> Callable[["Message"], None]:
    if as_json:
        return lambda one: print(json.dumps(asdict(one), ensure_ascii=False), flush=True)
    from labkit.kafka.tables import console, print_message

    out = console()
    return lambda one: print_message(one, out)


def _print_lag_json(rows: "Iterable[Lag]", indent: int | None) -> None:
    print(json.dumps([{**asdict(row), "lag": row.lag} for row in rows], indent=indent), flush=True)


def _topic(topic: "Topic") -> dict[str, Any]:
    partitions = [{**asdict(part), "messages": part.messages} for part in topic.partitions]
    return {"name": topic.name, "internal": topic.internal, "messages": topic.messages, "partitions": partitions}


def _print_json(facts: Any) -> None:
    print(json.dumps(facts, indent=2, ensure_ascii=False))
