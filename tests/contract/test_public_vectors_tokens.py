"""The public conformance vectors for UHRP URLs and for BRC-42/29 keys. Where one is invalid, it says why and is skipped."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from bsv.keys import PrivateKey, PublicKey
from bsv.wallet.key_deriver import Counterparty, CounterpartyType, KeyDeriver, Protocol

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import digest, identity_key, txid
from reconciler.model.keys import KeyRef, payment_key
from reconciler.wire.derivation import public_child
from reconciler.wire.payment import Charge, PaymentHeader
from reconciler.wire.uhrp import digest_of, url_of

ANYONE = identity_key("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
FOLDER = Path(os.environ.get("OVERLAY_VECTORS") or Path(__file__).parents[2].parent / "shared" / "vectors")


def vectors(path: str):
    """The vectors of one file, as test parameters; one skipped parameter where the file is absent."""
    file = FOLDER / path
    if not file.is_file():
        absent = pytest.mark.skip(reason=f"the public vectors are not here: {path} (set OVERLAY_VECTORS)")
        return [pytest.param(None, marks=absent, id=path)]
    return [pytest.param(vector, id=vector["id"]) for vector in json.loads(file.read_text())["vectors"]]


@pytest.mark.parametrize("vector", vectors("regressions/uhrp-url-parity.json"))
def test_uhrp_urls(vector):
    given, expected = vector["input"], vector["expected"]
    if "hash_hex" in given:
        assert url_of(digest(given["hash_hex"])) == expected["url"]
    elif "hash_hex" in expected:
        assert digest_of(given["url"]) == expected["hash_hex"]
    elif expected["valid"]:
        digest_of(given["url"])
    else:
        with pytest.raises(ValueError, match="checksum"):
            digest_of(given["url"])


@pytest.mark.parametrize("vector", vectors("sdk/keys/key-derivation.json"))
def test_key_derivation(vector):
    given, expected = vector["input"], vector["expected"]
    match given:
        case {"privkey_hex": text} if "privkey_hex_roundtrip" in expected:
            assert PrivateKey(bytes.fromhex(text)).hex() == expected["privkey_hex_roundtrip"]
        case {"privkey_hex": text}:
            encoded = PrivateKey(bytes.fromhex(text)).public_key().serialize(True)
            assert len(encoded) == expected["pubkey_der_length_bytes"]
            assert identity_key(encoded)[:2] in expected["pubkey_der_prefix"]
        case {"recipient_private_key_hex": own, "sender_public_key_hex": other, "invoice_number": invoice}:
            derived = PrivateKey(bytes.fromhex(own)).derive_child(PublicKey(other), invoice)
            assert derived.hex() == expected["derived_private_key_hex"]
            if invoice.startswith("2-"):
                key = deriver(own).derive_private_key(*named(invoice), towards(other))
                assert key.hex() == expected["derived_private_key_hex"]
        case {"sender_private_key_hex": own, "recipient_public_key_hex": other, "invoice_number": invoice}:
            derived = PublicKey(other).derive_child(PrivateKey(bytes.fromhex(own)), invoice)
            assert derived.hex() == expected["derived_public_key_hex"]
            if invoice.startswith("2-"):
                key = deriver(own).derive_public_key(*named(invoice), towards(other))
                assert key.hex() == expected["derived_public_key_hex"]
        case {"pubkey_x": _} | {"pubkey_der_hex": _}:
            pytest.skip("vector invalid: it asks what a constructor of the TypeScript SDK throws, not for a value")
        case _:
            pytest.fail(f"a vector of a new shape: {sorted(given)}")


@pytest.mark.parametrize("vector", vectors("wallet/brc29/payment-derivation.json"))
def test_payment_derivation(vector):
    root, arguments = vector["input"]["root_key"], vector["input"]["args"]
    level, protocol = arguments["protocolID"]
    other = arguments["counterparty"]
    derived = deriver(root).derive_public_key(
        Protocol(level, protocol), arguments["keyID"], towards(other), arguments.get("forSelf", False)
    )
    assert derived.hex() == vector["expected"]["publicKey"]
    if int(root, 16) == 1 and not arguments.get("forSelf"):  # the private key of "anyone"
        owner = identity_key(PrivateKey(1).public_key().serialize(True)) if other == "self" else identity_key(other)
        child = public_child(owner, KeyRef(protocol, arguments["keyID"], "anyone"))
        assert child == vector["expected"]["publicKey"]


@pytest.mark.parametrize("vector", vectors("payments/brc29-payment-protocol.json"))
def test_payment_messages(vector):
    """Their runner compares shapes; where there is something to read, we read it."""
    given, expected = vector["input"], vector["expected"]
    match given:
        case {"derivationPrefix": prefix, "derivationSuffix": suffix} if "invoice_number" in expected:
            key = payment_key(prefix, suffix, ANYONE)
            assert [2, key.protocol] == expected["protocol_id"]
            assert f"2-{key.protocol}-{key.key_id}" == expected["invoice_number"]
        case {"message": {"transaction": str(text), **message}} if "derivationSuffix" in message:
            with pytest.raises(VerificationError, match="not base64"):  # it is a placeholder: the rest was read before
                PaymentHeader.parse(json.dumps({**message, "transaction": text}))
        case {"valid_examples": examples} if expected.get("encoding") == "base64":
            for text in examples:
                assert Charge(Satoshis(1), text, ANYONE).prefix == text
        case {"valid_examples": examples}:
            assert [identity_key(text) for text in examples] == examples
        case {"valid_txids": examples}:
            assert [txid(text) for text in examples] == examples
        case {"legacy_message": message}:
            with pytest.raises(VerificationError, match="lacks"):
                PaymentHeader.parse(json.dumps(message))
        case _:
            pytest.skip("not ours to read: the shape of a message of MessageBox, or of an argument of a wallet")


def deriver(root: str) -> KeyDeriver:
    return KeyDeriver(PrivateKey(bytes.fromhex(root)))


def towards(other: str) -> Counterparty:
    if other == "self":
        return Counterparty(CounterpartyType.SELF)
    return Counterparty(CounterpartyType.OTHER, PublicKey(other))


def named(invoice: str) -> tuple[Protocol, str]:
    """The BRC-43 parts of an invoice number: `level-protocol-key id`."""
    level, protocol, key_id = invoice.split("-", 2)
    return Protocol(int(level), protocol), key_id
