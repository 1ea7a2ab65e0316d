"""The table of feedback, on SQLite and on PostgreSQL."""

import sqlite3
import threading
from pathlib import Path

import pytest

from app.adapters.feedback_table import FeedbackTable, StoredFeedback
from app.core.errors import TableAway
from tests.postgres_server import programs, running_postgres


def stored(number: int, **changes: object) -> StoredFeedback:
    facts: dict[str, object] = {
        "id": f"id-{number}",
        "client": "student",
        "model": "sentiment",
        "version": "v1",
        "row": '"Muy bien, señora 👍"',
        "label": '"Positivo"',
        "predicted": '"Neutral"',
        "verdict": "disagree",
        "about": "",
        "given": 1000.0 + number,
        "stored": 2000.0,
    }
    return StoredFeedback(**facts | changes)


@pytest.fixture(scope="module")
def postgres():
    binaries = programs()
    if binaries is None:
        pytest.skip("no initdb and postgres found; apt-get install postgresql")
    with running_postgres(binaries) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An URL of each database; the tests use ids and models of their own."""
    return (
        f"sqlite:///{tmp_path / 'feedback.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres").url
    )


@pytest.fixture
def table(url):
    found = FeedbackTable(url)
    yield found
    found.close()


def test_an_id_is_stored_once_and_the_first_stands(table):
    first, second = stored(1, id="once", model="once"), stored(2, id="once", model="once", label='"Negativo"')
    assert table.add([first]) == {"once"}
    assert table.add([second]) == set()
    assert list(table.of_model("once")) == [first]


def test_an_id_twice_in_one_batch_is_one_row(table):
    one = stored(1, id="twice", model="twice")
    assert table.add([one, one, stored(2, id="other", model="twice")]) == {"twice", "other"}
    assert len(list(table.of_model("twice"))) == 2


def test_a_batch_of_thousands_tells_which_were_new(table):
    many = [stored(n, id=f"many-{n}", model="many") for n in range(3000)]
    assert len(table.add(many[:1000])) == 1000
    assert table.add(many) == {one.id for one in many[1000:]}


def test_rows_of_one_model_come_in_the_order_in_which_they_were_given(table):
    shuffled = [stored(n, id=f"order-{n}", model="order") for n in (3, 1, 2)]
    table.add([*shuffled, stored(0, id="elsewhere", model="elsewhere")])
    assert [one.given for one in table.of_model("order")] == [1001.0, 1002.0, 1003.0]


def test_nothing_to_add_is_no_transaction(table):
    assert table.add([]) == set()


def test_many_writers_at_once_store_each_id_once(url):
    """As several workers do, each with connections of its own; the table does not exist before."""
    writers = [FeedbackTable(url) for _ in range(4)]
    new: list[set[str]] = []
    failed: list[Exception] = []

    def write(table):
        for batch in range(5):
            while True:
                try:
                    new.append(table.add([stored(n, id=f"race-{batch}-{n}", model="race") for n in range(20)]))
                    break
                except TableAway as error:  # as the worker: once more
                    failed.append(error)
                    assert len(failed) < 50, failed

    threads = [threading.Thread(target=write, args=[one]) for one in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in writers:
        one.close()
    assert sorted(ident for ids in new for ident in ids) == sorted(f"race-{b}-{n}" for b in range(5) for n in range(20))


def test_a_locked_file_is_away_and_then_takes_it(tmp_path):
    path = tmp_path / "feedback.db"
    table = FeedbackTable(f"sqlite:///{path}")
    table.add([stored(0)])
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TableAway, match="locked"):
        table.add([stored(1)])
    other.rollback()
    assert table.add([stored(1)]) == {"id-1"}
    other.close()
    table.close()


def test_a_folder_that_is_missing_is_away_and_named(tmp_path):
    table = FeedbackTable(f"sqlite:///{tmp_path / 'nowhere' / 'feedback.db'}")
    with pytest.raises(TableAway, match=r"nowhere/feedback\.db: unable to open"):
        table.add([stored(0)])
    Path(tmp_path / "nowhere").mkdir()
    assert table.add([stored(0)]) == {"id-0"}
    table.close()


@pytest.mark.faults
def test_a_server_that_is_away_is_found_again(postgres):
    table = FeedbackTable(postgres.url)
    table.add([stored(0, id="before", model="outage")])
    postgres.stop()
    with pytest.raises(TableAway):
        table.add([stored(1, id="during", model="outage")])
    postgres.start()
    assert table.add([stored(1, id="during", model="outage")]) == {"during"}
    assert len(list(table.of_model("outage"))) == 2
    table.close()


def test_a_password_is_in_no_message():
    table = FeedbackTable("postgresql+psycopg://lab:secret@127.0.0.1:1/lab")
    with pytest.raises(TableAway) as away:
        table.add([stored(0)])
    assert "secret" not in str(away.value)
    assert "lab:***@127.0.0.1:1" in str(away.value)
    table.close()
