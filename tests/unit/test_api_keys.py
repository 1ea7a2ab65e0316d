"""The API keys: digests in a file that may change, compared without telling how far a guess got."""

import hmac
import json
import logging
from hashlib import sha256

import pytest

from app.adapters.api_keys import FileKeyRing
from tests.job_service import KEYS, keys_file


class Clock:
    """A clock that is put forward by hand."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def ring(path, clock, equal=hmac.compare_digest):
    return FileKeyRing(path, clock, equal)


def clients(keys, *raw):
    return [keys.client(key.encode()) for key in raw]


def test_a_key_names_its_owner_and_anything_else_names_nobody(tmp_path, clock):
    keys = ring(keys_file(tmp_path), clock)
    assert clients(keys, *KEYS.values()) == list(KEYS)
    assert clients(keys, "", "key-of-an", "key-of-ana ", "KEY-OF-ANA", "\u00ff" * 1000, "ana") == [None] * 6


def test_the_digest_of_a_key_is_no_key(tmp_path, clock):
    path = keys_file(tmp_path)
    keys = ring(path, clock)
    assert clients(keys, *json.loads(path.read_text()).values()) == [None, None]


@pytest.mark.parametrize("guess", ["key-0", "key-4", "key-9", "wrong"])
def test_every_guess_is_compared_with_every_key(tmp_path, clock, guess):
    """Not by time, but by counting: no comparison is left out, whichever key fits."""
    compared = []

    def counting(known, given):
        compared.append((known, given))
        return known == given

    path = keys_file(tmp_path, {f"client-{n}": f"key-{n}" for n in range(10)})
    owner = ring(path, clock, counting).client(guess.encode())
    assert owner == ("client-" + guess[-1] if guess != "wrong" else None)
    digest = sha256(guess.encode()).hexdigest().encode()
    known = [digest.encode() for digest in json.loads(path.read_text()).values()]
    assert compared == [(one, digest) for one in known]


def test_the_count_notices_an_early_exit(tmp_path, clock):
    """The control of the test above: a look-up that stops at the first fit makes fewer comparisons."""
    compared = []
    path = keys_file(tmp_path, {f"client-{n}": f"key-{n}" for n in range(10)})
    digest = sha256(b"key-4").hexdigest()
    next(one for one in json.loads(path.read_text()).values() if compared.append(one) or one == digest)
    assert len(compared) == 5


def test_comparisons_are_constant_in_time_unless_a_test_says_otherwise():
    assert FileKeyRing.__init__.__defaults__ == (hmac.compare_digest,)


def test_a_changed_file_is_noticed_within_a_second_and_looked_at_once_a_second(tmp_path, clock):
    path = keys_file(tmp_path)
    keys = ring(path, clock)
    assert clients(keys, "key-of-ana", "key-of-new") == ["ana", None]
    keys_file(tmp_path, {"new": "key-of-new"})
    clock.now = 0.99
    assert clients(keys, "key-of-ana", "key-of-new") == ["ana", None]
    clock.now = 1.0
    assert clients(keys, "key-of-ana", "key-of-new") == [None, "new"]


def test_a_file_of_the_same_size_in_its_place_is_noticed(tmp_path, clock):
    path = keys_file(tmp_path, {"ana": "key-1"})
    keys = ring(path, clock)
    assert clients(keys, "key-1") == ["ana"]
    (tmp_path / "next").mkdir()
    keys_file(tmp_path / "next", {"ana": "key-2"}).replace(path)
    clock.now = 1.0
    assert clients(keys, "key-1", "key-2") == [None, "ana"]


def test_without_a_file_there_are_no_keys_until_there_is_one(tmp_path, clock):
    keys = ring(tmp_path / "api-keys.json", clock)
    assert clients(keys, "key-of-ana") == [None]
    path = keys_file(tmp_path)
    clock.now = 1.0
    assert clients(keys, "key-of-ana") == ["ana"]
    path.unlink()
    clock.now = 2.0
    assert clients(keys, "key-of-ana") == [None]


def test_without_a_path_there_are_no_keys(clock):
    assert clients(ring(None, clock), "", "key-of-ana") == [None, None]


GOOD = "0" * 64


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "Input data was truncated"),
        (b"{", "truncated"),
        (b"\xff", "malformed"),
        (b"[]", "object"),
        (b'{"ana": 1}', "str"),
        (b'{"ana": "key-of-ana"}', "'ana'"),
        (b'{"ana": "%s"}' % (b"A" * 64), "'ana'"),
        (b'{"": "%s"}' % GOOD.encode(), "client ''"),
        (b'{"a b": "%s"}' % GOOD.encode(), "client 'a b'"),
        (b'{"%s": "%s"}' % (b"n" * 65, GOOD.encode()), "1 to 64"),
    ],
)
def test_a_broken_file_is_logged_once_and_keeps_the_keys_that_were_good(tmp_path, clock, caplog, content, named):
    path = keys_file(tmp_path)
    keys = ring(path, clock)
    assert clients(keys, "key-of-ana") == ["ana"]
    path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        for clock.now in (1.0, 2.0, 3.0):
            assert clients(keys, "key-of-ana") == ["ana"]
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    assert named in record.getMessage()
    keys_file(tmp_path, {"new": "key-of-new"})
    clock.now = 4.0
    assert clients(keys, "key-of-ana", "key-of-new") == [None, "new"]
