"""Locust as a child process of a run: `python -m labkit.loadgen.locust_process FLAGS`, which ends with its parent."""

import signal

from labkit.loadgen.processes import end_with_parent

if __name__ == "__main__":
    # SIGTERM, not SIGKILL: locust then writes what it has measured.
    end_with_parent(signal.SIGTERM)
    from locust.main import main

    main()  # type: ignore[no-untyped-call]  # locust's entry point has no annotations
