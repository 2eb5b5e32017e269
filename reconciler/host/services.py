"""What a host can be given: topics and look-up services, ours or anyone's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.model.json import Json, JsonObject
from reconciler.store.outputs import HostOutput
from reconciler.store.works import Connection
from reconciler.wire.submission import Admittance
from reconciler.wire.transaction import Transaction, TxOutput

VERSION: Final = "1"
"""Of our own topics and services: what they admit and understand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """How a service presents itself: /listTopicManagers, /listLookupServiceProviders, the documentation routes."""

    title: str
    short: str
    """One line."""
    documentation: str
    """Markdown."""
    icon: str | None = None
    """The URL of a picture."""
    version: str | None = None
    information: str | None = None
    """A URL at which there is more to read."""

    def to_json(self) -> JsonObject:
        """The metadata as the reference lists it; what there is none of is left out."""
        more = {"iconURL": self.icon, "version": self.version, "informationURL": self.information}
        known = {name: value for name, value in more.items() if value is not None}
        return {"name": self.title, "shortDescription": self.short, **known}


@runtime_checkable
class Topic(Protocol):
    """Decides what belongs to a topic. Pure: chain data in, decision out."""

    name: str
    """`tm_…`"""
    about: About

    def admit(self, transaction: Transaction, previous: Mapping[int, TxOutput], off_chain: bytes | None) -> Admittance:
        """What a verified transaction means to this topic.

        `previous` are the outputs of this topic that it spends, by input index. A VerificationError means nothing at all.
        """
        ...

    def needs(self, output: TxOutput, documents: Mapping[Digest, bytes]) -> tuple[Digest, ...]:
        """The documents without which an admitted output is not shown, as far as `documents` lets tell.

        Asked again when one of them arrives. Raises VerificationError where a document is not what the output says it is.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hit:
    """One output of an answer."""

    outpoint: Outpoint
    context: bytes | None = None
    history: tuple[Txid, ...] = ()
    """Transactions of its former renditions, newest first, to which the answer's BEEF shall link it (host/history.py)."""


@dataclass(frozen=True, slots=True)
class Complete:
    """An admitted output that has all its documents."""

    admitted: HostOutput
    output: TxOutput


@runtime_checkable
class Lookup(Protocol):
    """Answers questions about the outputs of some topics.

    `index` and `answer` wait for nothing but their connection: they run to their end in a thread (store.works).
    """

    name: str
    """`ls_…`"""
    about: About
    topics: frozenset[str]

    async def index(
        self, connection: Connection, complete: Sequence[Complete], documents: Mapping[Digest, bytes]
    ) -> None:
        """Take up outputs that are complete now; `documents` holds what they need, and more.

        The same one comes again when `about.version` has changed: what is indexed of it then takes the former's place. Rows
        that refer to host_outputs.id go with the output when it is evicted.
        """
        ...

    async def answer(self, connection: Connection, query: Json, now: int) -> tuple[Hit, ...]:
        """One page. Raises RefusedError for a query that is not understood to the last field."""
        ...


@runtime_checkable
class Resuming(Protocol):
    """A Lookup that finds the next page by the last output of the page before: that costs the same however far in it is."""

    async def resume(self, connection: Connection, query: Json, now: int, after: Outpoint) -> tuple[Hit, ...]:
        """As `answer`, but for `after`, which counts instead of `skip` as long as it is there."""
        ...
