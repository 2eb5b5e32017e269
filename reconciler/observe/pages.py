"""The BEEFs that come with answers of hosts: each transaction is verified once, and nothing else of them is kept.

One BEEF stands for a page of outputs, and a host puts into it what it likes: transactions of others, proofs of no block, what
seems to spend our coins. Verifying an output looks at its transaction and the ancestry that this needs; so does whatever reads
the BEEF afterwards, for the rest is not in it any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Txid
from reconciler.wire.beef import Beef, subset
from reconciler.wire.spv import Verifier
from reconciler.wire.transaction import Transaction


@dataclass
class _Page:
    """One BEEF as it came, and the transactions of it that were verified."""

    beef: Beef
    verified: dict[Txid, Transaction] = field(default_factory=dict)
    faults: dict[Txid, VerificationError] = field(default_factory=dict)

    @cached_property
    def kept(self) -> Beef:
        """What was verified, cut once for all outputs of the page."""
        return subset(self.beef, self.verified)


class Pages:
    """The pages of one answer. `now` is in unix seconds."""

    def __init__(self, verifier: Verifier, now: int) -> None:
        self._verifier = verifier
        self._now = now
        self._pages: dict[int, _Page] = {}
        self._proving: dict[Txid, _Page] = {}

    async def verified(self, beef: Beef, subject: Txid) -> Transaction:
        """A transaction, however many outputs of it and pages show it. Raises VerificationError where this page's does not hold."""
        page = self._proving.get(subject)
        if page is None:
            page = self._pages.setdefault(id(beef), _Page(beef))  # which keeps the BEEF, so that its id stays its own
            await self._verify(page, subject)
            self._proving[subject] = page
        return page.verified[subject]

    def kept(self, subject: Txid) -> Beef:
        """What proves a transaction that was verified, and the others of its page: one BEEF for all of them.

        To be asked for once all outputs of the answer were looked at.
        """
        return self._proving[subject].kept

    async def _verify(self, page: _Page, subject: Txid) -> None:
        if subject in page.faults:  # outputs of one transaction: the second is not looked at again
            raise page.faults[subject]
        try:
            found = await self._verifier.verified(page.beef, subject, now=self._now)
        except VerificationError as error:
            page.faults[subject] = error
            raise
        page.verified[subject] = found.transaction
