"""`python -m bench.confined CORE PROGRAM ...`: become PROGRAM, on one core, ending when the parent ends."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    core, *command = sys.argv[1:]
    parent = os.getppid()
    if sys.platform == "linux":
        os.sched_setaffinity(0, {int(core)})
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before: no signal will come
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
