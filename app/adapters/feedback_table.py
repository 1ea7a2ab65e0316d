"""The table of feedback in SQL: SQLite beside the worker, or PostgreSQL."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import URL, Column, Double, Engine, Index, MetaData, Table, Text, create_engine, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from app.core.errors import TableAway

# Whoever waits for the table holds up the worker's other topics: better away soon, and asked again.
_LOCK_SECONDS: Final = 0.25
# The least that libpq knows.
_CONNECT_SECONDS: Final = 2
_STATEMENT_SECONDS: Final = 2
_CHUNK: Final = 500

_metadata = MetaData()
FEEDBACK: Final = Table(
    "feedback",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("client", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False, comment="of the prediction"),
    Column("row", Text, nullable=False, comment="JSON: a list of numbers or a text"),
    Column("label", Text, nullable=False, comment="JSON"),
    Column("predicted", Text, nullable=False, comment="JSON"),
    Column("verdict", Text, nullable=False, comment="agree or disagree"),
    Column("about", Text, nullable=False, comment="id of the judged request, if it was named"),
    Column("given", Double, nullable=False, comment="epoch seconds"),
    Column("stored", Double, nullable=False, comment="epoch seconds"),
)
_IN_ORDER: Final = Index("feedback_in_order", FEEDBACK.c.model, FEEDBACK.c.given, FEEDBACK.c.id)


class StoredFeedback(msgspec.Struct, frozen=True):
    """One line of the table; `row`, `label` and `predicted` are JSON, times are epoch seconds."""

    id: str
    client: str
    model: str
    version: str
    row: str
    label: str
    predicted: str
    verdict: str
    about: str
    given: float
    stored: float


class FeedbackTable:
    """Feedback by id. Every method raises TableAway when the database cannot do it now."""

    def __init__(self, url: str) -> None:
        """`url`: SQLAlchemy's, sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME. Opens nothing yet.

        Raises ValueError for any other.
        """
        self._engine = _engine(url)
        insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        self._insert = insert(FEEDBACK).on_conflict_do_nothing(index_elements=["id"]).returning(FEEDBACK.c.id)
        self._made = False

    def add(self, feedback: Sequence[StoredFeedback]) -> set[str]:
        """Store all of it in one transaction, but for ids that are there already; return the ids that are new."""
        if not feedback:
            return set()
        values = [msgspec.to_builtins(one) for one in feedback]
        with self._away():
            self._make()
            with self._engine.begin() as connection:
                return set(connection.execute(self._insert, values).scalars())

    def of_model(self, model: str) -> Iterator[StoredFeedback]:
        """Yield what is known of one model, in the order in which it was given."""
        wanted = select(FEEDBACK).where(FEEDBACK.c.model == model).order_by(FEEDBACK.c.given, FEEDBACK.c.id)
        with self._away():
            self._make()
            with self._engine.connect().execution_options(yield_per=_CHUNK) as connection:
                for line in connection.execute(wanted):
                    yield StoredFeedback(*line)

    def close(self) -> None:
        self._engine.dispose()

    def _make(self) -> None:
        """Make the table when it is missing; several workers may do so at the same time."""
        if self._made:
            return
        with self._engine.begin() as connection:
            connection.execute(CreateTable(FEEDBACK, if_not_exists=True))
            connection.execute(CreateIndex(_IN_ORDER, if_not_exists=True))
        self._made = True

    @contextlib.contextmanager
    def _away(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            self._made = False  # it may come back as an empty database
            reason = str(getattr(error, "orig", None) or error).splitlines()
            place = self._engine.url.render_as_string(hide_password=True)
            raise TableAway(f"{place}: {reason[0] if reason else type(error).__name__}") from error


def _engine(url: str) -> Engine:
    try:
        return _opened(make_url(url))
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ValueError(f"no database of ours ({error}); want sqlite:///FILE or postgresql+psycopg://...") from None


def _opened(parsed: URL) -> Engine:
    options: dict[str, Any] = {"pool_size": 2, "max_overflow": 0, "pool_timeout": _CONNECT_SECONDS}
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        engine = create_engine(parsed, connect_args={"timeout": _LOCK_SECONDS}, **options)
        event.listen(engine, "connect", _write_ahead)
        return engine
    if parsed.get_backend_name() != "postgresql":
        raise ArgumentError(parsed.render_as_string(hide_password=True))
    limits = f"-c statement_timeout={_STATEMENT_SECONDS}s -c lock_timeout={_LOCK_SECONDS * 1000:.0f}"
    arguments = {"connect_timeout": _CONNECT_SECONDS, "options": limits}
    return create_engine(parsed, connect_args=arguments, pool_pre_ping=True, **options)


def _write_ahead(connection: Any, _record: object) -> None:
    """Let readers and one writer work side by side (SQLite, "Write-Ahead Logging")."""
    connection.execute("PRAGMA journal_mode=WAL")
