"""`python -m bench.confined CORES PROGRAM ...`: become PROGRAM, on one core (or "0,1"), ending with the parent."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    cores, *command = sys.argv[1:]
    parent = os.getppid()
    if sys.platform == "linux":
        os.sched_setaffinity(0, set(map(int, cores.split(","))))
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before: no signal will come
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
