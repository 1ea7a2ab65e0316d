"""What discovery makes of the answers of name server and replicas."""

import asyncio

import msgspec
import pytest

from app.config import WrongSetting, from_environment
from app.discovery.document import document
from app.discovery.pool import Answer, Pool
from app.discovery.questions import Names, addresses
from labkit.stack import edge

READY, REFUSED, SILENT = Answer.READY, Answer.REFUSED, Answer.SILENT
A, B = "10.0.0.1:8000", "10.0.0.2:8000"


@pytest.mark.parametrize("keeps_last", [True, False])
def test_a_replica_comes_in_when_it_is_ready_and_goes_when_it_says_no(keeps_last: bool) -> None:
    pool = Pool(keeps_last).after((A, B), {A: READY, B: REFUSED})
    assert pool.listed == (A,)
    pool = pool.after((A, B), {A: READY, B: READY})
    assert pool.listed == (A, B)
    assert pool.after((A, B), {A: REFUSED, B: READY}).listed == (B,)


def test_a_busy_replica_keeps_its_place_and_a_new_one_that_says_nothing_gets_none() -> None:
    pool = Pool(keeps_last=True, listed=(A,))
    assert pool.after((A, B), {A: SILENT, B: SILENT}).listed == (A,)


def test_a_replica_that_the_name_server_names_no_more_is_gone() -> None:
    pool = Pool(keeps_last=True, listed=(A, B))
    assert pool.to_ask((B,)) == (B,)
    assert pool.after((B,), {B: READY}).listed == (B,)


def test_a_name_server_that_says_nothing_takes_nobody_out() -> None:
    pool = Pool(keeps_last=True, listed=(A, B))
    assert pool.to_ask(None) == (A, B)
    assert pool.after(None, {A: READY, B: READY}).listed == (A, B)
    assert pool.after(None, {A: READY, B: REFUSED}).listed == (A,), "the replica itself may"


@pytest.mark.parametrize("named", [None, (A, B)], ids=["not named", "named"])
def test_the_last_replicas_stay_whatever_is_heard(named: tuple[str, ...] | None) -> None:
    pool = Pool(keeps_last=True, listed=(A, B))
    assert pool.after(named, {A: REFUSED, B: REFUSED}).listed == (A, B)
    assert Pool(keeps_last=False, listed=(A, B)).after(named, {A: REFUSED, B: REFUSED}).listed == (), "the control"


def test_a_canary_that_is_gone_is_forgotten() -> None:
    pool = Pool(keeps_last=False, listed=(A,))
    assert pool.after(None, {A: SILENT}).listed == ()
    assert pool.after(None, {A: READY}).listed == (A,)


async def test_a_name_has_all_its_addresses_in_a_fixed_order() -> None:
    assert await addresses("localhost:8000") == ("127.0.0.1:8000",)
    assert await addresses("no-such-name.invalid:8000") is None
    assert await addresses(f"{'x' * 300}:8000") is None


async def test_a_name_server_that_is_silent_holds_nobody_up_and_is_asked_once_at_a_time() -> None:
    answered, asked = asyncio.Event(), []

    async def resolve(address: str) -> tuple[str, ...]:
        asked.append(address)
        await answered.wait()
        return (A, B)

    names = Names(resolve, within=0.01)
    assert [await names.of("api:8000") for _ in range(3)] == [None] * 3
    assert asked == ["api:8000"]
    answered.set()
    assert await Names(resolve).of("api:8000") == (A, B)


@pytest.mark.parametrize(
    ("canary", "weight", "shares"),
    [
        ((), 0, [("stable", 100)]),
        ((), 10, [("stable", 100)]),
        ((B,), 0, [("stable", 100)]),
        ((B,), 10, [("stable", 90), ("canary", 10)]),
        ((B,), 100, [("stable", 0), ("canary", 100)]),
    ],
)
def test_the_canary_has_its_share_while_there_is_one(
    canary: tuple[str, ...], weight: int, shares: list[tuple[str, int]]
) -> None:
    services = document((A,), canary, weight)["http"]["services"]
    assert [(one["name"], one["weight"]) for one in services["api"]["weighted"]["services"]] == shares
    assert set(services) == {"api", *(name for name, _ in shares)}


@pytest.mark.parametrize(("canary", "weight"), [((), 0), ((B,), 10)])
def test_the_stack_of_processes_tells_traefik_the_same(canary: tuple[str, ...], weight: int) -> None:
    """Two programs that may not import each other write this document."""
    urls = [f"http://{one}" for one in canary]
    assert edge.document([f"http://{A}"], urls, weight) == document((A,), canary, weight)
    assert msgspec.json.encode(document((A,), canary, weight))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAB_EDGE_STABLE", "api"),
        ("LAB_EDGE_CANARY", "http://x:1"),
        ("LAB_EDGE_WEIGHT", "101"),
        ("LAB_EDGE_WEIGHT", "-1"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(WrongSetting, match=name):
        from_environment({name: value})
