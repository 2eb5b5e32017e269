"""The outbox: what is committed on chain, carried to every host that lists its topics, for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from reconciler.apply.books import Books
from reconciler.apply.events import Ending, Event, Step, Tell
from reconciler.apply.follow import follow
from reconciler.apply.handover import Broadcaster
from reconciler.apply.losses import Mined
from reconciler.clients.trackers import SERVICES, TOPICS
from reconciler.model.errors import OverlayError, PartialError, UnreachableError
from reconciler.model.ids import AdProtocol, IdentityKey, Outpoint, Txid
from reconciler.model.json import JsonObject
from reconciler.model.networks import DEEP
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.outbox import Delivery, Outbox
from reconciler.store.transactions import Transactions
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.submission import Admittance, Submission, pack_documents

CATALOG_TOPIC: Final = "tm_data_catalog"
CATALOG_SERVICE: Final = "ls_data_catalog"
AD_TOPICS: Final = TOPICS
"""Where advertisements of each protocol go."""


class OverlayHost(Protocol):
    """A BRC-22/24 host, as far as apply needs it."""

    async def topics(self) -> frozenset[str]:
        """The topics it lists."""
        ...

    async def services(self) -> frozenset[str]:
        """The look-up services it lists."""
        ...

    async def submit(self, submission: Submission) -> Mapping[str, Admittance]:
        """BRC-22."""
        ...

    async def outpoints(self, service: str, query: JsonObject) -> frozenset[Outpoint]:
        """BRC-24: which outputs it finds."""
        ...

    async def finds(self, service: str, query: JsonObject, wanted: Collection[Outpoint]) -> frozenset[Outpoint]:
        """BRC-24: which of these it finds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """How the outbox stands after a round."""

    done: tuple[Delivery, ...]
    failed: tuple[Delivery, ...]
    awaited: frozenset[Txid] = frozenset()
    """Transactions that a block must have before what follows them leaves."""


async def deliver(
    *,
    books: Books,
    hosts: Mapping[str, OverlayHost],
    arc: Broadcaster,
    identity: IdentityKey,
    now: Callable[[], int],
) -> Delivered:
    """Try every delivery that is due once; failures stay in the outbox, with their reason.

    What follows a root (advertisements, sweeps) is handed to ARC before any host hears of it; what waits for a block stays where it is.
    A host that does not answer is not tried again in this round. What is for hosts that are not configured any more is
    forgotten; what is for a host that does not keep the topic waits as long as something of it is live, and is nobody's failure.
    Of what blocks have buried deeper than any reorg goes, nothing is kept once it is told or moot.
    """
    followed = await follow(books=books, arc=arc)
    async with books.database.begin() as connection:
        buried = (await Transactions(connection).highest() or 0) - DEEP
        await Outbox(connection).forget_told(buried)
        due = await Outbox(connection).pending()
    done, failed, blocked = [], [], []
    silent: dict[str, str] = {}
    door = _Door(books.database, identity)
    for delivery in due:
        if delivery.txid in followed.held:
            continue
        if delivery.txid in followed.refused:
            ending, detail = Ending.FAILED, followed.refused[delivery.txid]
        else:
            ending, detail = await _attempt(delivery, door, hosts, silent)
        async with books.database.begin() as connection:
            outbox = Outbox(connection)
            if delivery.host not in hosts:
                await outbox.forget(delivery.id)
            elif ending is Ending.DONE:
                await outbox.done(delivery.id, now=now())
                done.append(delivery)
            elif ending is Ending.FAILED:
                await outbox.failed(delivery.id, detail, now=now())
                failed.append(delivery)
            else:
                blocked.append(delivery.id)
        books.tell(Event(step=Step.DELIVER, subject=delivery.host, ending=ending, detail=detail))
    async with books.database.begin() as connection:
        await Outbox(connection).forget_moot(blocked, buried)
    return Delivered(done=tuple(done), failed=tuple(failed), awaited=frozenset().union(*followed.held.values()))


async def _attempt(
    delivery: Delivery, door: _Door, hosts: Mapping[str, OverlayHost], silent: dict[str, str]
) -> tuple[Ending, str]:
    """How a delivery went; `silent` collects the hosts that did not answer."""
    host = hosts.get(delivery.host)
    if host is None:
        return Ending.BLOCKED, "not configured any more; forgotten"
    if delivery.host in silent:
        return Ending.FAILED, silent[delivery.host]
    try:
        is_taken = await _deliver(delivery, door, host)
    except OverlayError as error:
        if isinstance(error, UnreachableError):
            silent[delivery.host] = error.message
        return Ending.FAILED, error.message
    return (Ending.DONE, "") if is_taken else (Ending.BLOCKED, f"keeps none of {', '.join(delivery.topics)}")


@dataclass(frozen=True, slots=True)
class _Door:
    """What a delivery needs beside its host."""

    database: Database
    identity: IdentityKey
    _listed: dict[str, frozenset[str]] = field(default_factory=dict)

    async def topics(self, name: str, host: OverlayHost) -> frozenset[str]:
        """What a host lists, asked once in a round."""
        if name not in self._listed:
            self._listed[name] = await host.topics()
        return self._listed[name]


async def _deliver(delivery: Delivery, door: _Door, host: OverlayHost) -> bool:
    """Submit; False where the host keeps none of the topics."""
    listed = await door.topics(delivery.host, host)
    topics = tuple(topic for topic in delivery.topics if topic in listed)  # one unknown topic fails a whole submit
    if not topics:
        return False
    async with door.database.begin() as connection:
        beef = await Transactions(connection).beef([delivery.txid])
        found = await Documents(connection).find(delivery.documents)
    documents = pack_documents([found[digest] for digest in delivery.documents]) if delivery.documents else None
    steak = await host.submit(Submission(beef.to_bytes(), topics, documents))
    if not any(admittance.outputs or admittance.removed for admittance in steak.values()):
        await _confirm(delivery, topics, host, door.identity)
    return True


async def _confirm(delivery: Delivery, topics: tuple[str, ...], host: OverlayHost, identity: IdentityKey) -> None:
    """An empty STEAK means unknown (WIRE §4.1): the look-up decides."""
    queries: dict[str, JsonObject] = {SERVICES[protocol]: {"identityKey": identity} for protocol in AdProtocol}
    if CATALOG_TOPIC in topics:
        queries = {CATALOG_SERVICE: {"outpoint": f"{delivery.txid}.0"}}
    found = [await host.outpoints(service, query) for service, query in queries.items()]
    if not any(outpoint.txid == delivery.txid for outpoints in found for outpoint in outpoints):
        raise PartialError(f"{delivery.host} took the transaction but admitted nothing of it", where=delivery.host)


async def overrule(winner: Mined, *, books: Books, hosts: Mapping[str, OverlayHost], now: int) -> None:
    """A transaction is mined: show it to hosts, and then write down what it rules out, of ours and of what ours builds upon.

    In this order, because what is written down is not looked for again: whoever is stopped in between shows it once more.
    Raises LockedError where the lease was lost.
    """
    await _show(winner, books=books, hosts=hosts)
    await books.decide(winner, now=now)


async def _show(winner: Mined, *, books: Books, hosts: Mapping[str, OverlayHost]) -> None:
    """So that hosts evict what lost, and list what it had replaced again. One that fails is told of.

    It finds out by itself, or goes on to show what lost. Of ours that is known here to be void. What another machine's root
    promises is built upon once more, the network does not take that either, and the host is shown the winner again.
    """
    beef = Beef.of([winner.path], [BeefTx(winner.transaction, 0)]).to_bytes()
    for name, host in hosts.items():
        try:
            listed = await host.topics()
            topics = tuple(topic for topic in (CATALOG_TOPIC, *AD_TOPICS.values()) if topic in listed)
            if topics:
                await host.submit(Submission(beef, topics, None))
        except OverlayError as error:
            books.tell(Event(step=Step.DELIVER, subject=name, ending=Ending.FAILED, detail=error.message))


async def undiscoverable(
    outpoints: Sequence[Outpoint], *, identity: str, hosts: Mapping[str, OverlayHost], tell: Tell
) -> dict[str, frozenset[Outpoint]]:
    """Which of these records each host does not list: published and not found is the field's second pain.

    Hosts that do not keep the catalog are not asked, unless none does: then nobody finds anything.
    """
    missing: dict[str, frozenset[Outpoint]] = {}
    keeping = {name: host for name, host in hosts.items() if await _keeps_catalog(host)}
    for name, host in (keeping or hosts).items():
        try:
            found = await host.finds(CATALOG_SERVICE, {"producer": identity}, outpoints)
        except OverlayError as error:
            tell(Event(step=Step.VERIFY, subject=name, ending=Ending.FAILED, detail=error.message))
            missing[name] = frozenset(outpoints)
            continue
        missing[name] = frozenset(outpoints) - found
        told = Ending.FAILED if missing[name] else Ending.DONE
        tell(Event(step=Step.VERIFY, subject=name, ending=told, detail=f"{len(outpoints)} records looked up"))
    return missing


async def _keeps_catalog(host: OverlayHost) -> bool:
    """Whether a host lists the service; one that does not answer may well keep it."""
    try:
        return CATALOG_SERVICE in await host.services()
    except OverlayError:
        return True
