"""The bounded cache in memory, held against a plain model of it."""

from hypothesis import given
from hypothesis import strategies as st

from app.core.lru import LruCache


def test_an_entry_is_found_until_its_time_is_over():
    cache: LruCache[str, int] = LruCache(10, 5.0)
    cache.put("a", 1, 100.0)
    assert cache.get("a", 104.9) == 1
    assert cache.get("a", 105.0) is None
    assert len(cache) == 0


def test_the_entry_unused_for_longest_goes_first():
    cache: LruCache[str, int] = LruCache(2, 5.0)
    cache.put("a", 1, 0.0)
    cache.put("b", 2, 0.0)
    cache.get("a", 1.0)
    cache.put("c", 3, 1.0)
    assert [cache.get(key, 1.0) for key in "abc"] == [1, None, 3]


def test_a_second_write_counts_once_and_begins_a_new_life():
    cache: LruCache[str, int] = LruCache(2, 5.0)
    cache.put("a", 1, 0.0)
    cache.put("a", 2, 4.0)
    assert len(cache) == 1
    assert cache.get("a", 8.0) == 2


def test_an_entry_that_would_push_out_many_others_is_not_kept_and_leaves_none_behind():
    cache: LruCache[str, int] = LruCache(10, 5.0, most_bytes=6400)
    cache.put("a", 1, 0.0, size=100)
    cache.put("a", 2, 0.0, size=101)
    assert cache.get("a", 0.0) is None
    cache.put("b", 3, 0.0, size=100)
    assert cache.get("b", 0.0) == 3


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 100)), min_size=1, max_size=200))
def test_the_entries_never_take_more_bytes_than_allowed_and_the_newest_stay(puts):
    cache: LruCache[int, int] = LruCache(10_000, 5.0, most_bytes=6400)
    for key, size in puts:
        cache.put(key, size, 0.0, size)
    sizes = dict(puts)
    newest_first = list(dict.fromkeys(key for key, _ in reversed(puts)))
    kept = [key for key in newest_first if cache.get(key, 0.0) is not None]
    assert [cache.get(key, 0.0) for key in kept] == [sizes[key] for key in kept]
    assert kept == newest_first[: len(kept)]
    assert sum(sizes[key] for key in kept) <= 6400
    if len(kept) < len(newest_first):
        assert sum(sizes[key] for key in newest_first[: len(kept) + 1]) > 6400 - 100


operations = st.lists(st.tuples(st.sampled_from(["get", "put"]), st.integers(0, 5), st.floats(0, 2)), max_size=60)


@given(capacity=st.integers(1, 4), ttl=st.floats(0.5, 3), steps=operations)
def test_it_answers_as_a_list_ordered_by_use_would(capacity, ttl, steps):
    cache: LruCache[int, int] = LruCache(capacity, ttl)
    model: list[tuple[int, float, int]] = []
    now = 0.0
    for value, (what, key, wait) in enumerate(steps):
        now += wait
        known = next((entry for entry in model if entry[0] == key), None)
        model = [entry for entry in model if entry[0] != key]
        if what == "put":
            cache.put(key, value, now)
            model = [*model, (key, now + ttl, value)][-capacity:]
            continue
        alive = known is not None and known[1] > now
        if alive:
            model.append(known)
        assert cache.get(key, now) == (known[2] if alive else None)
        assert len(cache) == len(model)
