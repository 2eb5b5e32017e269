"""Saying on chain what this host keeps: UHRP tokens, made, paid for, broadcast and handed to overlay hosts (WIRE §4.3).

Whoever waits for an advertisement while one transaction is on its way gets into the next one together. A transaction is
written down, with the coins it spends, before it leaves; what was written and not sent is sent by the next round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.model.amounts import FeeRate
from reconciler.model.errors import OverlayError, RefusedError, StateError, TransientError, UnreachableError
from reconciler.model.ids import Digest, IdentityKey, Txid
from reconciler.model.keys import UHRP_KEY
from reconciler.storage.payment import TOKEN_SATOSHIS, Spend, build, shortfall
from reconciler.storage.ports import Chain, Funder, Miner, OverlayHost, Signer
from reconciler.storage.purse import Purse
from reconciler.store.ancestry import Archive
from reconciler.store.coins import Coins
from reconciler.store.database import Database
from reconciler.store.objects import Advert, Objects
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wire.arc import Standing
from reconciler.wire.submission import Submission
from reconciler.wire.transaction import Transaction, TxOutput
from reconciler.wire.uhrp import UhrpToken, lock, preimage

TOPIC: Final = "tm_uhrp"
_TOGETHER: Final = 50
"""Tokens in one transaction (PROTOCOL §2: the reference's resolver is quadratic in them)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is to be advertised."""

    sha256: Digest
    size: int
    url: str
    expires: int
    """Unix seconds."""


class Advertiser:
    """Advertises for one storage host. Several processes may do so over one database."""

    def __init__(
        self,
        *,
        database: Database,
        signer: Signer,
        miner: Miner,
        chain: Chain,
        archive: Archive,
        hosts: Sequence[OverlayHost],
        funder: Funder | None,
        mainnet: bool = False,
        plain_http: bool = False,
    ) -> None:
        """`hosts` hear of every token; without a `funder` coins have to be sent by hand, to `address`.

        `plain_http` lets the URLs of embedded and local worlds be http.
        """
        self._database = database
        self._signer = signer
        self._purse = Purse(
            database=database,
            signer=signer,
            miner=miner,
            chain=chain,
            archive=archive,
            funder=funder,
            mainnet=mainnet,
        )
        self._miner = miner
        self._hosts = tuple(hosts)
        self._plain_http = plain_http
        self._wanted: dict[Digest, Offer] = {}
        self._lock = asyncio.Lock()

    @property
    def identity(self) -> IdentityKey:
        """The host's, as its tokens state it."""
        return self._signer.identity

    @property
    def address(self) -> str:
        """What this host pays its advertisements from."""
        return self._purse.address

    async def advertise(self, offer: Offer) -> None:
        """Return once the network and, if there are any, one overlay host have a token that covers the offer.

        One that covers it already is enough; a shorter one is replaced. Raises UnreachableError or RefusedError; the same
        call again goes on where this one stopped.
        """
        self._wanted[offer.sha256] = offer
        try:
            async with self._lock:
                if not await self._is_out(offer):
                    await self._round(offer)
        finally:
            if self._wanted.get(offer.sha256) is offer:
                del self._wanted[offer.sha256]

    async def _is_out(self, offer: Offer) -> bool:
        async with self._database.begin() as connection:
            advert = (await Objects(connection).adverts([offer.sha256])).get(offer.sha256)
        return advert is not None and advert.sent and advert.expires >= offer.expires

    async def _round(self, offer: Offer) -> None:
        """Write what is due, send what is written, and see that `offer` is among it."""
        others = (wanted for wanted in self._wanted.values() if wanted.sha256 != offer.sha256)
        await self._write([offer, *others][:_TOGETHER], await self._miner.policy())
        async with self._database.begin() as connection:
            unsent = await Objects(connection).unsent()
        failures: list[OverlayError] = []
        for txid in unsent:
            try:
                await self._send(txid)
            except (TransientError, RefusedError) as error:
                failures.append(error)
        if not await self._is_out(offer):
            raise failures[0] if failures else UnreachableError(f"{offer.sha256} is not advertised yet")

    async def _write(self, offers: Sequence[Offer], rate: FeeRate) -> None:
        missing = await self._try_write(offers, rate)
        if missing > 0:
            await self._purse.earn()
            await self._purse.settle()
            missing = await self._try_write(offers, rate)
        if missing > 0:
            await self._purse.fund(missing)
            missing = await self._try_write(offers, rate)
        if missing > 0:
            raise UnreachableError(f"{missing} satoshis are missing to advertise", hint=f"send coins to {self.address}")

    async def _try_write(self, offers: Sequence[Offer], rate: FeeRate) -> int:
        """Write one transaction for all offers that need one; returns how many satoshis are missing for that."""
        async with self._database.begin() as connection:
            known = await Objects(connection).adverts([offer.sha256 for offer in offers])
            due = [each for each in offers if each.sha256 not in known or known[each.sha256].expires < each.expires]
            if not due:
                return 0
            tokens = [self._token(offer) for offer in due]
            spends = await _replaced(connection, (known[each.sha256] for each in due if each.sha256 in known))
            for coin in await self._purse.usable(connection):
                if shortfall(spends, tokens, rate) > 0:
                    spends.append(coin)
            missing = shortfall(spends, tokens, rate)
            if missing <= 0:
                await self._keep(connection, build(spends, tokens, rate, self._signer), spends, due)
            return missing

    def _token(self, offer: Offer) -> TxOutput:
        token = UhrpToken(
            host=self._signer.identity, sha256=offer.sha256, url=offer.url, expires=offer.expires, size=offer.size
        )
        signature = self._signer.sign(UHRP_KEY, preimage(token))
        return TxOutput(TOKEN_SATOSHIS, lock(token, signature, plain_http=self._plain_http))

    async def _keep(
        self, connection: Connection, transaction: Transaction, spends: Iterable[Spend], offers: Sequence[Offer]
    ) -> None:
        await Transactions(connection).put(transaction)
        money = [spend.outpoint for spend in spends if not spend.is_token]
        await Coins(connection).spend(money, transaction.txid)
        await self._purse.take(connection, transaction)
        await Objects(connection).advertise(
            Advert(sha256=offer.sha256, outpoint=transaction.outpoint(vout), expires=offer.expires)
            for vout, offer in enumerate(offers)
        )

    async def _send(self, txid: Txid) -> None:
        beef = await self._purse.beef(txid)
        if beef.proof(txid) is None:
            report = await self._miner.submit(beef, txid)
            if report.standing in {Standing.CONTESTED, Standing.REFUSED}:
                raise UnreachableError(f"the network does not take the advertisement {txid}: {report.status}")
        await self._tell_hosts(Submission(beef.to_bytes(), (TOPIC,)))
        async with self._database.begin() as connection:
            await Objects(connection).sent(txid)

    async def _tell_hosts(self, submission: Submission) -> None:
        """One host is enough: who looks content up asks several."""
        failures = [
            failure
            for failure in await asyncio.gather(*(_tell(host, submission) for host in self._hosts))
            if failure is not None
        ]
        if failures and len(failures) == len(self._hosts):
            raise failures[0]


async def _tell(host: OverlayHost, submission: Submission) -> OverlayError | None:
    try:
        await host.submit(submission)
    except (TransientError, RefusedError) as error:
        return error
    return None


async def _replaced(connection: Connection, adverts: Iterable[Advert]) -> list[Spend]:
    """Former tokens of what is advertised anew: the transaction that replaces them spends them."""
    spends = []
    for advert in adverts:
        stored = await Transactions(connection).get(advert.outpoint.txid)
        if stored is None:
            raise StateError(f"the transaction of the advertisement {advert.outpoint} is gone")
        spends.append(Spend(advert.outpoint, stored.transaction.outputs[advert.outpoint.vout], UHRP_KEY))
    return spends
