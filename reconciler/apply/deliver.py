"""The outbox: what is committed on chain, carried to every host that lists its topics, for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.apply.books import Books
from reconciler.apply.events import Ending, Event, Step, Tell
from reconciler.model.errors import OverlayError, PartialError
from reconciler.model.ids import Outpoint
from reconciler.model.json import JsonObject
from reconciler.store.documents import Documents
from reconciler.store.outbox import Delivery, Outbox
from reconciler.store.transactions import Transactions
from reconciler.wire.submission import Admittance, Submission, pack_documents

CATALOG_TOPIC: Final = "tm_data_catalog"
CATALOG_SERVICE: Final = "ls_data_catalog"


class OverlayHost(Protocol):
    """A BRC-22/24 host, as far as apply needs it."""

    async def topics(self) -> frozenset[str]:
        """The topics it lists."""
        ...

    async def submit(self, submission: Submission) -> Mapping[str, Admittance]:
        """BRC-22."""
        ...

    async def outpoints(self, service: str, query: JsonObject) -> frozenset[Outpoint]:
        """BRC-24: which outputs it finds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """How the outbox stands after a round."""

    done: tuple[Delivery, ...]
    failed: tuple[Delivery, ...]


async def deliver(*, books: Books, hosts: Mapping[str, OverlayHost], now: Callable[[], int]) -> Delivered:
    """Try every delivery that is due once; failures stay in the outbox, with their reason."""
    async with books.database.begin() as connection:
        due = await Outbox(connection).pending()
    done, failed = [], []
    for delivery in due:
        try:
            await _deliver(delivery, books, hosts)
        except OverlayError as error:
            async with books.database.begin() as connection:
                await Outbox(connection).failed(delivery.id, error.message, now=now())
            failed.append(delivery)
            _tell(books.tell, delivery, Ending.FAILED, error.message)
        else:
            async with books.database.begin() as connection:
                await Outbox(connection).done(delivery.id, now=now())
            done.append(delivery)
            _tell(books.tell, delivery, Ending.DONE, "")
    return Delivered(done=tuple(done), failed=tuple(failed))


async def _deliver(delivery: Delivery, books: Books, hosts: Mapping[str, OverlayHost]) -> None:
    host = hosts.get(delivery.host)
    if host is None:
        raise PartialError(f"{delivery.host} is not among the configured hosts any more", where=delivery.host)
    listed = await host.topics()
    topics = tuple(topic for topic in delivery.topics if topic in listed)  # one unknown topic fails a whole submit
    if not topics:
        raise PartialError(f"{delivery.host} keeps none of {', '.join(delivery.topics)}", where=delivery.host)
    async with books.database.begin() as connection:
        beef = await Transactions(connection).beef([delivery.txid])
        documents = [await Documents(connection).get(digest) for digest in delivery.documents]
    steak = await host.submit(
        Submission(beef.to_bytes(), topics, pack_documents([d for d in documents if d is not None]))
    )
    if not any(admittance.outputs for admittance in steak.values()):
        await _confirm(delivery, host)


async def _confirm(delivery: Delivery, host: OverlayHost) -> None:
    """An empty STEAK means unknown (WIRE §4.1): the look-up decides."""
    found = await host.outpoints(CATALOG_SERVICE, {"outpoint": f"{delivery.txid}.0"})
    if Outpoint(delivery.txid, 0) not in found:
        raise PartialError(
            f"{delivery.host} took the transaction but admitted none of its records", where=delivery.host
        )


def _tell(tell: Tell, delivery: Delivery, ending: Ending, detail: str) -> None:
    tell(Event(step=Step.DELIVER, subject=delivery.host, ending=ending, detail=detail))


async def undiscoverable(
    outpoints: Sequence[Outpoint], *, identity: str, hosts: Mapping[str, OverlayHost], tell: Tell
) -> dict[str, frozenset[Outpoint]]:
    """Which of these live records each host does not list: published and not found is the field's second pain."""
    missing: dict[str, frozenset[Outpoint]] = {}
    for name, host in hosts.items():
        try:
            found = await host.outpoints(CATALOG_SERVICE, {"producer": identity})
        except OverlayError as error:
            tell(Event(step=Step.VERIFY, subject=name, ending=Ending.FAILED, detail=error.message))
            missing[name] = frozenset(outpoints)
            continue
        missing[name] = frozenset(outpoints) - found
        told = Ending.FAILED if missing[name] else Ending.DONE
        tell(Event(step=Step.VERIFY, subject=name, ending=told, detail=f"{len(outpoints)} records looked up"))
    return missing
