"""Certificates between a server of ours and a client of ours, issued here; the reference's are held by tests/interop."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.http import HttpClient
from reconciler.model.errors import RefusedError, VerificationError
from reconciler.model.ids import IdentityKey, Outpoint, txid
from reconciler.model.keys import KeyRef
from reconciler.wallet.certificates import Holder
from reconciler.wallet.keys import Keys
from reconciler.web.handshakes import Policy
from reconciler.wire.certificate import Certificate
from reconciler.wire.encryption import encrypt
from reconciler.wire.handshake import Wanted
from tests.authenticating import ORIGIN, Dice, House, keys_of

TYPE, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
CERTIFIER = keys_of("certifier")
WANTED = Wanted((CERTIFIER.identity,), {TYPE: ("name",)})
FIELDS = {"name": "Żółw", "age": "150"}


def certified(subject: Keys, kind: str = TYPE, certifier: Keys = CERTIFIER) -> Certificate:
    """What a certifier gives a subject: fields under keys of their own, which lie in the master keyring."""
    dice = Dice(f"{subject.identity} {kind}")
    serial = base64.b64encode(dice(32)).decode()
    fields, keyring = {}, {}
    for name, value in FIELDS.items():
        key = dice(32)
        fields[name] = base64.b64encode(encrypt(key, value.encode(), dice(32))).decode()
        master = KeyRef("certificate field encryption", name, subject.identity)
        keyring[name] = base64.b64encode(certifier.encrypt(master, key, iv=dice(32))).decode()
    unsigned = Certificate(
        type=kind,
        serial=serial,
        subject=subject.identity,
        certifier=certifier.identity,
        revocation=Outpoint(txid("ab" * 32), 1),
        fields=fields,
        keyring=keyring,
        signature=b"",
    )
    signer = KeyRef("certificate signature", f"{kind} {serial}", "anyone")
    return replace(unsigned, signature=certifier.sign(signer, unsigned.signed()))


def holder(name: str, *certificates: Certificate) -> Holder:
    keys = keys_of(name)
    return Holder(keys, certificates or (certified(keys),), Dice(name))


@pytest.fixture
def house(database) -> House:
    return House(database)


def client_of(http: HttpClient, **options) -> AuthenticatedHttp:
    return AuthenticatedHttp(http, keys_of("client"), randomness=Dice("client"), **options)


async def test_a_client_that_shows_what_is_asked_for_is_let_in_by_every_process(house):
    seen = []

    def accept(identity: IdentityKey, shown) -> None:
        seen.append((identity, [dict(each.fields) for each in shown]))

    policy = Policy(wanted=WANTED, accept=accept, seconds=0)
    async with HttpClient(apps={ORIGIN: house.app(policy=policy)}) as http:
        client = client_of(http, holder=holder("client"))
        await client.request("GET", f"{ORIGIN}/whoami")
        http.mount(ORIGIN, house.app(policy=policy))
        reply = await client.request("GET", f"{ORIGIN}/whoami")
    assert reply.json() == {"identityKey": keys_of("client").identity}
    assert seen == [(keys_of("client").identity, [{"name": "Żółw"}])]


async def test_a_client_that_shows_nothing_waits_in_vain(house):
    async with HttpClient(apps={ORIGIN: house.app(policy=Policy(wanted=WANTED, seconds=0))}) as http:
        reply = await client_of(http).request("GET", f"{ORIGIN}/whoami")
    assert (reply.status, reply.json()["code"]) == (408, "CERTIFICATE_TIMEOUT")


class Forger:
    """Shows certificates as they are given."""

    def __init__(self, *certificates: Certificate) -> None:
        self._certificates = certificates

    def shown(self, wanted, verifier):
        return tuple(each.to_json() for each in self._certificates)


@pytest.mark.parametrize(
    "forged",
    [
        certified(keys_of("somebody else")),
        certified(keys_of("client"), OTHER),
        certified(keys_of("client"), TYPE, keys_of("another certifier")),
        replace(certified(keys_of("client")), fields={"name": "AAAA"}),
        replace(certified(keys_of("client")), keyring={}),
        replace(certified(keys_of("client")), signature=b""),
        certified(keys_of("client")),  # with the master keyring, which is for the subject alone
    ],
)
async def test_a_client_with_another_certificate_is_refused(house, forged):
    async with HttpClient(apps={ORIGIN: house.app(policy=Policy(wanted=WANTED, seconds=0))}) as http:
        with pytest.raises(RefusedError, match="401"):
            await client_of(http, holder=Forger(forged)).request("GET", f"{ORIGIN}/whoami")


async def test_a_server_that_refuses_what_it_was_shown_lets_nobody_in(house):
    def accept(identity, shown):
        raise VerificationError("too young")

    async with HttpClient(apps={ORIGIN: house.app(policy=Policy(wanted=WANTED, accept=accept, seconds=0))}) as http:
        with pytest.raises(RefusedError, match="401"):
            await client_of(http, holder=holder("client")).request("GET", f"{ORIGIN}/whoami")


async def test_a_server_shows_what_a_client_asks_for(house):
    policy = Policy(holder=holder("server", certified(keys_of("server")), certified(keys_of("server"), OTHER)))
    async with HttpClient(apps={ORIGIN: house.app(policy=policy)}) as http:
        client = client_of(http, wanted=WANTED)
        await client.request("GET", f"{ORIGIN}/whoami")
    (shown,) = client.shown_at(ORIGIN)
    assert (shown.certificate.type, shown.fields) == (TYPE, {"name": "Żółw"})


@pytest.mark.parametrize("shows", [None, Forger(certified(keys_of("somebody else"))), Forger()])
async def test_a_server_that_does_not_show_it_is_not_spoken_to(house, shows):
    async with HttpClient(apps={ORIGIN: house.app(policy=Policy(holder=shows))}) as http:
        with pytest.raises(VerificationError):
            await client_of(http, wanted=WANTED).request("GET", f"{ORIGIN}/whoami")
