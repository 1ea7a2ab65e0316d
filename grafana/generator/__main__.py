"""`python -m grafana.generator`: write grafana/dashboards/*.json, or only say which of them are not up to date."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.generator.board import build
from grafana.generator.names import UnknownName

FOLDER = Path(__file__).parents[1] / "dashboards"


def texts() -> dict[str, str]:
    """Return the text of each dashboard's file by the file's name. Raises UnknownName."""
    from grafana.generator.dashboards import BOARDS  # an unknown name stops this import

    return {
        f"{board.uid}.json": json.dumps(build(board), cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"
        for board in BOARDS
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when all is written (or up to date), 1 when --check finds a difference, 2 for an unknown name."""
    options = _parser().parse_args(arguments)
    try:
        wanted = texts()
    except UnknownName as error:
        print(f"dashboards: {error}", file=sys.stderr)
        return 2
    present = {path.name: path.read_text(encoding="utf-8") for path in options.folder.glob("*.json")}
    differing = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if not options.check:
        for name in differing:
            if name in wanted:
                (options.folder / name).write_text(wanted[name], encoding="utf-8")
            else:
                (options.folder / name).unlink()
    if options.json:
        print(json.dumps({"dashboards": sorted(wanted), "differing": differing}))
    elif options.check:
        print("\n".join(f"{name} is not what the generator makes; next: make dashboards" for name in differing))
    else:
        print(f"{len(wanted)} dashboards, {len(differing)} of their files changed")
    return 1 if options.check and differing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m grafana.generator", description=__doc__, epilog="example: python -m grafana.generator --check"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file is not up to date")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the files are (default: grafana/dashboards)")
    parser.add_argument("--json", action="store_true", help="print the files' names as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
