"""`python -m bench`: measure the service against its yardsticks, judge the bars, write bench/results/."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from app.config import PACKAGED_MODELS
from bench.bars import verdicts
from bench.contenders import GROUPS
from bench.errors import CannotMeasure
from bench.logs import COLLECTOR, measure_collector
from bench.outage import OUTAGE, measure_outage
from bench.processes import choose_cores
from bench.queues import JOBS, QUEUES, measure_queues
from bench.report import facts, show, write
from bench.rounds import Plan, measure

RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when every bar is held, 1 when one is missed, 2 when nothing could be measured."""
    options = _parser().parse_args(arguments)
    terminal, progress = Console(), Console(stderr=True)
    groups = [options.only] if options.only else [*GROUPS, JOBS, OUTAGE, COLLECTOR]
    contenders = list(dict.fromkeys(contender for group in groups for contender in GROUPS.get(group, ())))
    plan = Plan(options.rounds, options.seconds, options.connections)
    try:
        with progress.status("starting") as line:
            say = line.update if progress.is_terminal else progress.print
            samples = measure(contenders, plan, options.models, choose_cores(), say) if contenders else []
            if JOBS in groups:
                samples += measure_queues(QUEUES, plan, options.models, choose_cores(), say)
            if OUTAGE in groups:
                samples += measure_outage(plan, options.models, choose_cores(), say)
            if COLLECTOR in groups:
                samples += measure_collector(plan, choose_cores(), say)
    except CannotMeasure as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted; nothing was written", file=sys.stderr)
        return 2
    page = write(RESULTS, samples, plan)
    if options.json:
        print(json.dumps(facts(samples, plan)))
    else:
        show(terminal, samples, plan)
        terminal.print(f"written to {page}", soft_wrap=True)
    return 0 if all(verdict.held for verdict in verdicts(samples)) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, epilog="example: make bench ARGS='--rounds 3 --only iris'"
    )
    parser.add_argument("--rounds", type=_positive, default=5, help="how often everybody's turn comes (default 5)")
    parser.add_argument("--seconds", type=_positive, default=3, help="of load per turn, whole ones (default 3)")
    parser.add_argument("--connections", type=_positive, default=32, help="kept open by the load (default 32)")
    parser.add_argument("--only", choices=[*GROUPS, JOBS, OUTAGE, COLLECTOR], help="leave the others out")
    parser.add_argument("--models", type=Path, default=PACKAGED_MODELS, help="another folder of models")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON instead of the tables")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value}: at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
