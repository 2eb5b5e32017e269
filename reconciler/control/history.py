"""The versions of a record, or of the root, as hosts that are not ours show them: every one checked (BRC-64)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from reconciler.clients.host import FoundOutput
from reconciler.model.errors import OverlayError, UnreachableError, VerificationError
from reconciler.model.ids import Digest, IdentityKey, Kind, Outpoint, RecordId
from reconciler.model.json import JsonObject
from reconciler.observe.roots import SERVICE
from reconciler.wire.canonical import parse_cbor
from reconciler.wire.documents import parse_record_document, parse_root_document
from reconciler.wire.record import RecordToken, check
from reconciler.wire.spv import Verifier


class PagedHost(Protocol):
    """A BRC-24 host that is read as far as one likes."""

    def each(self, service: str, query: JsonObject) -> AsyncIterator[FoundOutput]:
        """All outputs that it finds, one by one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version. `generation` and `commit` are known of roots only."""

    outpoint: Outpoint
    id: RecordId
    document_hash: Digest
    height: int | None
    """Of its block; None where it is not mined yet."""
    title: str
    generation: int | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Versions, newest first."""

    versions: tuple[Version, ...]
    is_whole: bool
    """Whether the host shows no older ones."""


async def history(
    identity: IdentityKey,
    record: RecordId | None,
    *,
    hosts: Mapping[str, PagedHost],
    verifier: Verifier,
    now: int,
    limit: int | None = None,
) -> History:
    """The last `limit` versions, or all, that the first answering host shows, each checked; roots where no record is named.

    Of what proves them, a page at a time is in memory.

    Raises UnreachableError where no host answers, VerificationError where one lies.
    """
    query: JsonObject = {"producer": identity, "kind": Kind.PRODUCER.value, "history": True}
    if record is not None:
        query = {"producer": identity, "kind": record.kind.value, "name": record.name, "history": True}
    failure: OverlayError | None = None
    for host in hosts.values():
        try:
            return await _read(host.each(SERVICE, query), identity, verifier, now, limit)
        except VerificationError:
            raise
        except OverlayError as error:
            failure = error
    raise UnreachableError("no host could be asked for history") from failure


async def _read(
    found: AsyncIterator[FoundOutput], identity: IdentityKey, verifier: Verifier, now: int, limit: int | None
) -> History:
    versions: list[Version] = []
    async for output in found:
        if len(versions) == limit:
            return History(versions=tuple(versions), is_whole=False)
        versions.append(await _version(output, identity, verifier, now))
    return History(versions=tuple(versions), is_whole=True)


async def _version(output: FoundOutput, identity: IdentityKey, verifier: Verifier, now: int) -> Version:
    transaction = (await verifier.verified(output.beef, output.outpoint.txid, now=now)).transaction
    token = check(transaction, output.outpoint.vout)
    if token.identity != identity:
        raise VerificationError(f"asked for records of {identity}, the host shows one of {token.identity}")
    proof = output.beef.proof(output.outpoint.txid)
    return _described(output, token, None if proof is None else proof.height)


def _described(output: FoundOutput, token: RecordToken, height: int | None) -> Version:
    if output.context is None:
        title, generation, commit = "", None, None
    elif token.id.kind is Kind.PRODUCER:
        documents = parse_cbor(output.context)
        first = documents[0] if isinstance(documents, list) and documents else None
        if not isinstance(first, bytes):
            raise VerificationError("the context of a root is not its two documents")
        document = parse_root_document(first)
        title, generation, commit = (
            str(document.public.get("displayName", "")),
            document.generation,
            document.source.commit,
        )
    else:
        title, generation, commit = str(parse_record_document(output.context).public.get("title", "")), None, None
    return Version(
        outpoint=output.outpoint,
        id=token.id,
        document_hash=token.anchor.document_hash,
        height=height,
        title=title,
        generation=generation,
        commit=commit,
    )
