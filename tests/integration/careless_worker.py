"""Workers without one of our protections, the controls: `python -m tests.integration.careless_worker WHICH`.

`trusting` takes every message for a job, `hasty` commits before it has handled.
"""

import sys
from typing import Any

import msgspec

import app.worker.__main__ as program
from app.worker import job_batch
from app.worker.loop import Lane, PollLoop


class HastyLoop(PollLoop):
    def _hand_over(self, consumer: Any, lane: Lane, parts: dict[Any, list[Any]]) -> None:
        for one, records in parts.items():
            self._offsets.handled(one, records[-1].offset, len(records))
        self._commit(consumer)
        super()._hand_over(consumer, lane, parts)


class NothingIsUnreadable(msgspec.MsgspecError):
    """Raised by nobody."""


if __name__ == "__main__":
    match sys.argv.pop():
        case "trusting":
            job_batch.UNREADABLE = (NothingIsUnreadable,)  # type: ignore[assignment]
        case "hasty":
            program.PollLoop = HastyLoop  # type: ignore[misc]
    sys.exit(program.main())
