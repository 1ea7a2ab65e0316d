"""GELF over UDP to a real socket: one datagram a record, never a wait, and no record without its fate."""

import socket

import pytest

from app.telemetry.event_log import EventLog
from app.telemetry.gelf_udp import GelfUdp
from app.telemetry.log_sinks import Sink
from tests.eventually import eventually
from tests.gelf_receiver import GelfReceiver
from tests.service import free_ports
from tests.unit.test_event_log import Counted, record

WAYS = pytest.mark.parametrize("segments", [True, False], ids=["together", "one by one"])


def some_records(count: int) -> list[bytes]:
    """Of 2 to 1,400 bytes and, among them, a few that are larger."""
    sizes = [2 + number * 7 % 1399 for number in range(count)]
    return [b"%d" % (number % 10) * size for number, size in enumerate(sizes)] + [b"a" * 1401, b"b" * 60_000]


@WAYS
def test_every_record_is_one_datagram(segments):
    with GelfReceiver() as receiver:
        udp = GelfUdp(receiver.host, receiver.port, segments=segments)
        records = some_records(190)
        assert udp.write(records) == len(records)
        udp.close()
        receiver.read()
        assert sorted(receiver.messages) == sorted(records)


def test_the_kernel_cuts_where_it_can():
    """The control of the test above: batches really go together here, or both of its cases are one."""
    with GelfReceiver() as receiver:
        udp = GelfUdp(receiver.host, receiver.port)
        udp.write([b"{}", b"[1,2]"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
            try:
                raw.getsockopt(17, 103)
            except OSError:
                pytest.skip("this kernel has no UDP_SEGMENT")
        receiver.read()
        padded = receiver._socket  # the padding is what tells
        udp.write([b"{}", b"[1,2]"])
        assert sorted(len(padded.recv(100)) for _ in range(2)) == [5, 5]
        udp.close()


def test_a_batch_that_the_kernel_refuses_to_cut_goes_one_by_one():
    with GelfReceiver() as receiver:
        udp = GelfUdp(receiver.host, receiver.port)
        many = [b"%d" % (number % 10) for number in range(500)]  # no kernel makes that many of one buffer
        assert udp._send_together(many, 1) == 500
        assert receiver.read() == 500
        assert udp.write([b"1", b"22"]) == 2
        receiver.read()
        udp.close()
        assert receiver.messages[-2:] == [b"1", b"22"]


@WAYS
def test_what_no_datagram_can_carry_fails_and_the_others_go(segments):
    with GelfReceiver() as receiver:
        udp = GelfUdp(receiver.host, receiver.port, segments=segments)
        assert udp.write([b"1", b"x" * 70_000, b"2"]) == 2
        udp.close()
        receiver.read()
        assert sorted(receiver.messages) == [b"1", b"2"]


@WAYS
def test_a_closed_port_is_a_failure_and_an_open_one_is_used_again(segments):
    receiver = GelfReceiver()
    udp = GelfUdp(receiver.host, receiver.port, segments=segments)
    receiver.close()
    assert [udp.write([b"lost"] * 100), udp.write([b"lost"])] == [0, 0]
    with GelfReceiver(port=receiver.port) as again:
        assert udp.write([b"here"] * 100) == 100
        assert again.read() == 100
    udp.close()


def test_the_refusal_of_an_earlier_datagram_does_not_take_the_present_one_along():
    """An error that comes late, as over a network, is told to the next send: that one must be made again."""
    receiver = GelfReceiver()
    udp = GelfUdp(receiver.host, receiver.port)
    assert udp.write([b"first"]) == 1
    receiver.close()
    opened = udp._socket
    assert opened is not None
    opened.send(b"into the void")
    with GelfReceiver(port=receiver.port) as again:
        assert udp.write([b"1", b"2"]) == 2
        assert again.read() == 2
        again.close()
        opened.send(b"into the void")
        with pytest.raises(ConnectionRefusedError):  # the control: sent once, it is lost
            opened.send(b"3")
    udp.close()


def test_an_address_that_cannot_be_reached_is_a_failure_of_each_record():
    udp = GelfUdp("fe80::1", 9)  # of which network, it does not say
    assert udp.write([b"1", b"2"]) == 0
    assert udp.send(b"3") is False
    udp.close()


@WAYS
def test_a_hung_receiver_costs_datagrams_which_the_kernel_counts(segments):
    """sent = received + what the kernel had no room for, and nothing waits."""
    with GelfReceiver(buffer=4096) as receiver:
        fates = Counted()
        sink = Sink("gelf", GelfUdp(receiver.host, receiver.port, segments=segments), 100_000, fates, interval=0.001)
        log = EventLog([sink])
        for number in range(2000):
            log.append(record(number))
        sink.close(30.0)
        written, dropped, failed = fates.values
        assert (written, dropped, failed) == (2000, 0, 0)
        lost = receiver.kernel_drops()
        assert lost > 1000
        assert receiver.read() + lost == written


def test_a_receiver_that_reads_loses_nothing():
    """The control of the test above: the same records at the sink's own pace into a usual buffer."""
    with GelfReceiver(buffer=106_496) as receiver:  # the kernel doubles it: 208 KiB, Linux's default
        fates = Counted()
        sink = Sink("gelf", GelfUdp(receiver.host, receiver.port), 100_000, fates, interval=0.01)
        log = EventLog([sink])
        for number in range(2000):
            log.append(record(number))
        eventually(lambda: receiver.read() + receiver.kernel_drops() == 2000, every=0.0001)
        sink.close()
        assert fates.values == (2000, 0, 0)
        assert receiver.read() == len({one["_request_id"] for one in receiver.records()})


def test_a_full_buffer_drops_for_this_sink_and_every_record_has_one_fate():
    (port,) = free_ports(1)
    fates = Counted()
    sink = Sink("gelf", GelfUdp("127.0.0.1", port), 50, fates, interval=0.01)
    log = EventLog([sink])
    for number in range(5000):
        log.append(record(number))
    sink.close()
    written, dropped, failed = fates.values
    assert written == 0  # nobody listens there
    assert (dropped > 0, failed > 0, dropped + failed) == (True, True, 5000)


def test_a_socket_that_cannot_take_more_is_a_failure_and_no_wait():
    """EAGAIN: the datagrams of a socket pair wait for their reader in the sender's buffer."""
    udp = GelfUdp("127.0.0.1", 9)
    sending, receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sending, receiving:
        sending.setblocking(False)
        udp._socket, udp._connect_at = sending, float("inf")
        records = [b"x" * 1000] * 2000
        taken = udp.write(records)
        assert 0 < taken < 2000
        receiving.setblocking(False)
        assert [receiving.recv(2000) for _ in range(taken)] == records[:taken]
        with pytest.raises(BlockingIOError):
            receiving.recv(1)
