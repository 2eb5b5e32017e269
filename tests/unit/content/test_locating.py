from __future__ import annotations

from hashlib import sha256

from reconciler.clients.host import FoundOutput
from reconciler.clients.survey import survey
from reconciler.content.locating import locate
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.ids import Outpoint, Txid, digest
from reconciler.model.keys import UHRP_KEY
from reconciler.wallet.keys import Keys
from reconciler.wire import uhrp
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.transaction import Transaction, TxInput, TxOutput
from reconciler.wire.uhrp import UhrpToken, url_of

KEYS = Keys(sha256(__name__.encode()).digest())
CONTENT = digest("ab" * 32)
NOW = 1_000


def promise(url: str, *, expires: int = 2_000, content: str = CONTENT) -> UhrpToken:
    return UhrpToken(KEYS.identity, digest(content), url, expires, 100)


def found(token: UhrpToken, *, signature: bytes | None = None) -> FoundOutput:
    locking = uhrp.lock(token, signature or KEYS.sign(UHRP_KEY, uhrp.preimage(token)), plain_http=True)
    spent = Outpoint(Txid(sha256(locking).hexdigest()), 0)
    transaction = Transaction((TxInput(spent),), (TxOutput(Satoshis(1), locking),))
    return FoundOutput(outpoint=transaction.outpoint(0), beef=Beef.of((), [BeefTx(transaction)]), context=None)


class Host:
    def __init__(self, *outputs: FoundOutput, error: Exception | None = None) -> None:
        self.outputs = outputs
        self.error = error
        self.asked: list[object] = []

    async def lookup(self, service, query):
        self.asked.append((service, query))
        if self.error:
            raise self.error
        return self.outputs


class Lookups:
    """Asks these hosts."""

    def __init__(self, *hosts: Host) -> None:
        self.hosts = {str(number): host for number, host in enumerate(hosts)}

    async def lookup(self, service, query):
        answers = await survey(self.hosts, service, query, now=NOW)
        if not answers.is_known:
            raise UnreachableError("nobody answers")
        return answers


async def urls(*hosts: Host, **more) -> list[str]:
    return [token.url for token in await locate(CONTENT, lookups=Lookups(*hosts), now=NOW, **more)]


async def test_those_that_keep_it_longest_come_first():
    host = Host(
        found(promise("https://a.example/x", expires=2_000)), found(promise("https://b.example/x", expires=3_000))
    )
    assert await urls(host) == ["https://b.example/x", "https://a.example/x"]
    assert host.asked == [("ls_uhrp", {"uhrpUrl": url_of(CONTENT)})]


async def test_a_url_that_two_hosts_know_is_one_place():
    old, new = promise("https://a.example/x", expires=2_000), promise("https://a.example/x", expires=9_000)
    (token,) = await locate(CONTENT, lookups=Lookups(Host(found(old)), Host(found(new))), now=NOW)
    assert token == new


async def test_promises_that_are_over_or_about_other_content_do_not_count():
    over, other = promise("https://a.example/x", expires=NOW), promise("https://b.example/x", content="cd" * 32)
    assert await urls(Host(found(over), found(other))) == []


async def test_a_token_that_its_host_did_not_sign_does_not_hide_the_others():
    forged = found(promise("https://a.example/x"), signature=KEYS.sign(UHRP_KEY, b"something else"))
    assert await urls(Host(forged, found(promise("https://b.example/x")))) == ["https://b.example/x"]


async def test_hosts_that_do_not_answer_are_passed_over():
    good = Host(found(promise("https://a.example/x")))
    assert await urls(Host(error=UnreachableError("down")), Host(error=RefusedError("no such service")), good) == [
        "https://a.example/x"
    ]
    assert await urls(Host(error=UnreachableError("down"))) == []


async def test_plain_http_is_for_toy_networks():
    host = Host(found(promise("http://storage-eu.embedded/x")))
    assert await urls(host) == []
    assert await urls(host, plain_http=True) == ["http://storage-eu.embedded/x"]
