"""`python -m bench.servers.log_sink`: a UDP receiver that forgets; its first line of output is its port."""

import contextlib
import socket
import time


def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.bind(("127.0.0.1", 0))
        print(receiver.getsockname()[1], flush=True)
        receiver.setblocking(False)
        room = bytearray(1 << 16)
        while True:
            with contextlib.suppress(BlockingIOError):
                while True:
                    receiver.recv_into(room)
            time.sleep(0.002)  # as our collector does: to wake up for each datagram would slow the load


if __name__ == "__main__":
    main()
