"""GELF over UDP to a real socket: one datagram a record, never a wait, and no record without its fate."""

import socket
import threading

import pytest

from app.telemetry.event_log import EventLog
from app.telemetry.gelf_address import GelfAddress
from app.telemetry.gelf_udp import GelfUdp
from app.telemetry.log_sinks import GelfSink
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
        udp = GelfUdp(receiver.address, segments=segments)
        udp.connect()
        records = some_records(190)
        assert udp.write(records) == len(records)
        udp.close()
        receiver.read()
        assert sorted(receiver.messages) == sorted(records)


def test_the_kernel_cuts_where_it_can():
    """The control of the test above: batches really go together here, or both of its cases are one."""
    with GelfReceiver() as receiver:
        udp = GelfUdp(receiver.address)
        udp.connect()
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
        udp = GelfUdp(receiver.address)
        udp.connect()
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
        udp = GelfUdp(receiver.address, segments=segments)
        udp.connect()
        assert udp.write([b"1", b"x" * 70_000, b"2"]) == 2
        udp.close()
        receiver.read()
        assert sorted(receiver.messages) == [b"1", b"2"]


@WAYS
def test_a_closed_port_is_a_failure_and_an_open_one_is_used_again(segments):
    receiver = GelfReceiver()
    udp = GelfUdp(receiver.address, segments=segments)
    udp.connect()
    receiver.close()
    assert [udp.write([b"lost"] * 100), udp.write([b"lost"])] == [0, 0]
    with GelfReceiver(port=receiver.port) as again:
        assert udp.write([b"here"] * 100) == 100
        assert again.read() == 100
    udp.close()


def test_the_refusal_of_an_earlier_datagram_does_not_take_the_present_one_along():
    """An error that comes late, as over a network, is told to the next send: that one must be made again."""
    receiver = GelfReceiver()
    udp = GelfUdp(receiver.address)
    udp.connect()
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
    udp = GelfUdp(GelfAddress("fe80::1", 9))  # of which network, it does not say
    udp.connect()
    assert udp.write([b"1", b"2"]) == 0
    assert udp.send(b"3") is False
    udp.close()


def logged(sink: GelfSink, count: int) -> None:
    """Append records to a log with this sink, and end both."""
    log = EventLog([sink])
    eventually(lambda: sink._udp._socket is not None, what="the socket is there")
    for number in range(count):
        log.append(record(number))
    log.close()
    sink.close(1.0)


def test_what_is_written_follows_the_name_to_another_address():
    """A container that is started again may be elsewhere; until that is known, it goes to where it went before."""
    found = {"lab": "127.0.0.1"}

    def resolve(host, port, **options):
        if options["flags"]:
            raise OSError("a name")
        return socket.getaddrinfo(found[host], port, **options)

    with GelfReceiver() as first:
        address = GelfAddress("lab", first.port, resolve=resolve, anew=0.01, again=0.01)
        udp = GelfUdp(address)
        eventually(lambda: address.current is not None, what="the name is known")
        udp.connect()
        assert udp.write([b"1"]) == 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
            second.bind(("127.0.0.2", first.port))
            second.settimeout(5)
            known, found["lab"] = address.current, "127.0.0.2"
            eventually(lambda: address.current != known, what="the new address is known")
            assert udp.write([b"2"]) == 1

            def connected() -> bool:
                udp.connect()  # once a second at most
                return udp._next is not None

            eventually(connected, what="a socket for the new address")
            assert udp.write([b"3"]) == 1
            assert second.recv(10) == b"3"
        assert first.read() == 2
        address.close()
        udp.close()


def test_a_name_that_hangs_holds_nothing_up():
    """Whoever tends the socket would stand still for as long as the look-up takes: here until the test ends."""
    asked, let_go = threading.Event(), threading.Event()

    def resolve(host, port, **options):
        if options["flags"]:
            raise OSError("a name")
        asked.set()
        let_go.wait(60)
        return socket.getaddrinfo("127.0.0.1", port, **options)

    with GelfReceiver() as receiver:
        address = GelfAddress("collector", receiver.port, resolve=resolve, anew=0.01)
        try:
            assert asked.wait(10)
            fates = Counted()
            sink = GelfSink(GelfUdp(address), fates)
            log = EventLog([sink])
            for number in range(200):
                log.append(record(number))
            eventually(lambda: fates.values == (0, 0, 200), what="every record has failed, and is counted")
        finally:
            let_go.set()
        eventually(lambda: sink._udp._socket is not None, what="the name is known")
        log.append(record(200))
        log.close()
        assert fates.values == (1, 0, 200)
        address.close()
        sink.close(1.0)


def test_a_name_that_nobody_knows_is_asked_for_until_somebody_does():
    answers = iter([OSError("not known"), OSError("not known"), None])
    asked = []

    def resolve(host, port, **options):
        if options["flags"]:
            raise OSError("a name")
        asked.append(host)
        if error := next(answers, None):
            raise error
        return socket.getaddrinfo("127.0.0.1", port, **options)

    address = GelfAddress("collector", 12201, resolve=resolve, anew=0.01)
    assert eventually(lambda: address.current, what="the name is known").place == ("127.0.0.1", 12201)
    assert asked == ["collector"] * 3
    address.close()


def test_of_several_answers_the_present_one_is_kept():
    """A name with two addresses gives them in any order: that is no reason to change."""
    order = ["127.0.0.1", "127.0.0.2"]
    asked = threading.Semaphore(0)

    def resolve(host, port, **options):
        if options["flags"]:
            raise OSError("a name")
        asked.release()
        order.reverse()
        return [socket.getaddrinfo(one, port, **options)[0] for one in order]

    address = GelfAddress("collector", 12201, resolve=resolve, anew=0.01, again=0.01)
    first = eventually(lambda: address.current, what="the name is known")
    for _ in range(5):
        assert asked.acquire(timeout=10)
    assert address.current == first
    address.close()


@WAYS
def test_a_hung_receiver_costs_datagrams_which_the_kernel_counts(segments):
    """sent = received + what the kernel had no room for, and nothing waits."""
    with GelfReceiver(buffer=4096) as receiver:
        fates = Counted()
        logged(GelfSink(GelfUdp(receiver.address, segments=segments), fates), 2000)
        assert fates.values == (2000, 0, 0)
        lost = receiver.kernel_drops()
        assert lost > 1000
        assert receiver.read() + lost == 2000


def test_a_receiver_with_room_loses_nothing():
    """The control of the test above: the same records into a buffer that holds them."""
    with GelfReceiver(buffer=4 << 20) as receiver:
        fates = Counted()
        logged(GelfSink(GelfUdp(receiver.address), fates), 2000)
        assert fates.values == (2000, 0, 0)
        assert (receiver.read(), receiver.kernel_drops()) == (2000, 0)
        assert {one["_request_id"] for one in receiver.records()} == {f"id-{number}" for number in range(2000)}


def test_where_nobody_listens_every_record_fails():
    (port,) = free_ports(1)
    fates = Counted()
    logged(GelfSink(GelfUdp(GelfAddress("127.0.0.1", port)), fates), 5000)
    assert fates.values == (0, 0, 5000)


def test_a_socket_that_cannot_take_more_is_a_failure_and_no_wait():
    """EAGAIN: the datagrams of a socket pair wait for their reader in the sender's buffer."""
    udp = GelfUdp(GelfAddress("127.0.0.1", 9))
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
