"""Database transactions in threads of their own: as many statements as they like, and one way there and back.

A *work* is a coroutine function that is given a connection and awaits nothing else. So it can run from its start to its end in
a thread, where each statement is a plain call. What it would cost to go to a thread and back for every statement is several
times what SQLite needs for it.

Works that write are written together: those that have come while others were written are one database transaction, in the
order in which they came, and durable at once. Each is in a savepoint: one that raises takes back what it did, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection as SyncConnection
from sqlalchemy import Dialect, Engine, Executable, Result, RootTransaction, ScalarResult
from sqlalchemy.exc import DBAPIError, OperationalError

from reconciler.model.errors import OverlayError

T = TypeVar("T")

OPENING: Final = "overlay_opening"
"""The execution option of an engine which says how its transactions begin: what is called with a connection that has a new one.

Here it is called by whoever begins one, and not by the engine's event: of an engine that has listeners, SQLAlchemy makes events
of every statement, which takes that a fifth longer.
"""


class Connection(Protocol):
    """The connection of one database transaction, for packages that may hand it on but not look inside."""

    @property
    def dialect(self) -> Dialect:
        """Which database it is."""
        ...

    async def execute(self, statement: Executable, parameters: Any = None) -> Result[*tuple[Any, ...]]:
        """Run a statement, with one set of parameters or many."""
        ...

    async def scalars(self, statement: Executable, parameters: Any = None) -> ScalarResult[Any]:
        """Run a statement; the first column of its rows."""
        ...

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        """Run a statement; the first column of its first row, None without rows."""
        ...

    async def changed(self, statement: Executable, parameters: Any = None) -> int:
        """Run a statement that changes rows; how many."""
        ...

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> Result[*tuple[Any, ...]]:
        """Run a statement as the driver takes it."""
        ...


Work: TypeAlias = Callable[[Connection], Coroutine[Any, Any, T]]
"""What is done in one database transaction. It may be run again from its start, when nothing of it was kept."""


class Straight:
    """A `Connection` whose statements are run where they are awaited."""

    def __init__(self, connection: SyncConnection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        """Which database it is."""
        return self._connection.dialect

    async def execute(self, statement: Executable, parameters: Any = None) -> Result[*tuple[Any, ...]]:
        """Run a statement."""
        return self._connection.execute(statement, parameters)

    async def scalars(self, statement: Executable, parameters: Any = None) -> ScalarResult[Any]:
        """Run a statement; its first column."""
        return self._connection.scalars(statement, parameters)

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        """Run a statement; the first value."""
        return self._connection.scalar(statement, parameters)

    async def changed(self, statement: Executable, parameters: Any = None) -> int:
        """Run a statement; how many rows it has changed."""
        return self._connection.execute(statement, parameters).rowcount

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> Result[*tuple[Any, ...]]:
        """Run a statement as the driver takes it."""
        return self._connection.exec_driver_sql(statement, parameters)


@dataclass(frozen=True, slots=True)
class Done:
    """What a work has returned."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """What a work has raised; nothing of it was kept."""

    error: Exception


def alone(engine: Engine, work: Work[Any]) -> Done | Failed:
    """One work in a transaction of its own. What it raises is handed to whoever asked for it."""
    try:
        with engine.connect() as connection, begun(connection):
            return Done(_driven(work(Straight(connection))))
    except Exception as error:  # noqa: BLE001 - raised again by who awaits it
        return Failed(error)


class Glances:
    """Works that read, one after another, in transactions of one connection: to get it from the pool costs as much as to read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: SyncConnection | None = None

    def do(self, work: Work[Any]) -> Done | Failed:
        """As `alone`."""
        try:
            connection = self._connection or self._engine.connect()
            self._connection = connection
            with begun(connection):
                return Done(_driven(work(Straight(connection))))
        except OverlayError as error:
            return Failed(error)
        except Exception as error:  # noqa: BLE001 - raised again by who awaits it
            self._drop()
            return Failed(error)

    def _drop(self) -> None:
        """The next work begins anew. Rows that this one has left unread would keep the connection at their moment."""
        if self._connection is not None:
            self._connection.invalidate()
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def together(engine: Engine, works: Sequence[Work[Any]]) -> list[Done | Failed]:
    """Works in one transaction, each as if it were alone. Where the database fails under one of them, each is run alone.

    Not where it is gone during the commit: whether that happened is not known, and what is counted would be counted twice. When
    it is busy, gone or full for one that runs alone, it is so for those that follow: they do not find it out once more.
    """
    if len(works) > 1:
        try:
            return _in_one(engine, works)
        except DBAPIError:  # nothing of it was kept; whose fault it was shows when each is run alone
            pass
    outcomes: list[Done | Failed] = []
    for work in works:
        outcome = alone(engine, work)
        outcomes.append(outcome)
        if isinstance(outcome, Failed) and isinstance(outcome.error, OperationalError):
            return [*outcomes, *repeat(outcome, len(works) - len(outcomes))]
    return outcomes


def _in_one(engine: Engine, works: Sequence[Work[Any]]) -> list[Done | Failed]:
    with engine.connect() as connection, begun(connection) as transaction:
        outcomes = side_by_side(connection, works)
        try:
            transaction.commit()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return [Failed(error)] * len(works)
        return outcomes


def begun(connection: SyncConnection) -> RootTransaction:
    """A transaction of a connection that has none, opened as its engine says."""
    transaction = connection.begin()
    try:
        connection.get_execution_options()[OPENING](connection)
    except BaseException:
        transaction.rollback()
        raise
    return transaction


def give_back(connection: SyncConnection, *, for_good: bool = False) -> None:
    """To its pool, without what was not committed: SQLAlchemy leaves the transaction open whose commit has failed.

    `for_good` closes it instead: the pool was thrown away.

    Raises nothing of what a lost connection says to that: what it was lost for is on its way to who asked.
    """
    with suppress(DBAPIError):
        connection.rollback()
    if for_good:
        connection.invalidate()
    connection.close()


def side_by_side(connection: SyncConnection, works: Sequence[Work[Any]]) -> list[Done | Failed]:
    """Works in the transaction of a connection, each as if it were alone. Raises DBAPIError where the database fails under one."""
    return [_in_savepoint(connection, work) for work in works]


def _in_savepoint(connection: SyncConnection, work: Work[Any]) -> Done | Failed:
    connection.exec_driver_sql("SAVEPOINT work")
    try:
        done = Done(_driven(work(Straight(connection))))
    except DBAPIError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again by who awaits it
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT work")
        connection.exec_driver_sql("RELEASE SAVEPOINT work")
        return Failed(error)
    connection.exec_driver_sql("RELEASE SAVEPOINT work")
    return done


def _driven(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing to its end."""
    try:
        work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    work.close()
    raise RuntimeError("a database transaction waited for something else than its connection")
