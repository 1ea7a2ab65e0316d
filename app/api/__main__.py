"""`python -m app.api`: serve predictions; settings come from LAB_* variables."""

import sys

import uvloop

from app.api.server import PortTaken, serve
from app.config import WrongSetting, from_environment
from app.core.errors import ArtefactChanged, WrongCanary


def main() -> int:
    """Run the service; return 0 after a drain, 2 when it cannot start."""
    try:
        uvloop.run(serve(from_environment()))
    except (WrongSetting, WrongCanary, ArtefactChanged, PortTaken) as error:
        print(f"app.api: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
