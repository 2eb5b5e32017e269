from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from bsv.keys import PrivateKey, PublicKey
from bsv.wallet.key_deriver import Counterparty, CounterpartyType, KeyDeriver, Protocol
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.wire.encryption import decrypt, encrypt

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "brc2.json").read_text())
KEY = sha256(__name__.encode()).digest()
IV = sha256(KEY).digest()


@pytest.mark.parametrize("case", VECTORS["symmetric"], ids=lambda case: f"{len(case['plaintext']) // 2} bytes")
def test_the_reference_and_we_encrypt_to_the_same_bytes_and_decrypt_one_another(case):
    key, plaintext, iv, encrypted = (bytes.fromhex(case[name]) for name in ("key", "plaintext", "iv", "encrypted"))
    assert encrypt(key, plaintext, iv) == encrypted
    assert decrypt(key, encrypted) == plaintext


@pytest.mark.parametrize("case", VECTORS["wrapped"], ids=lambda case: case["counterparty"][:4])
def test_what_a_wallet_encrypts_opens_with_the_key_derived_for_it(case):
    other = case["counterparty"]
    towards = (
        Counterparty(CounterpartyType.SELF)
        if other == "self"
        else Counterparty(CounterpartyType.OTHER, PublicKey(other))
    )
    deriver = KeyDeriver(PrivateKey(bytes.fromhex(case["root"])))
    key = deriver.derive_symmetric_key(Protocol(2, case["protocol"]), case["keyID"], towards)
    assert key.hex() == case["key"]
    assert decrypt(key, bytes.fromhex(case["encrypted"])).hex() == case["plaintext"]


@given(st.binary(min_size=1), st.binary(min_size=32, max_size=32), st.data())
def test_tampering_is_noticed_wherever_it_is(plaintext, iv, data):
    encrypted = encrypt(KEY, plaintext, iv)
    assert decrypt(KEY, encrypted) == plaintext
    changed = bytearray(encrypted)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(VerificationError):
        decrypt(KEY, bytes(changed))
    with pytest.raises(VerificationError):
        decrypt(KEY, encrypted[: data.draw(st.integers(0, len(encrypted) - 1))])
    with pytest.raises(VerificationError):
        decrypt(iv if iv != KEY else IV, encrypted)


def test_wrong_sizes_and_empty_plaintexts_are_refused():
    for key, plaintext, iv in ((KEY[:16], b"x", IV), (KEY, b"x", IV[:12]), (KEY, b"", IV)):
        with pytest.raises(ValueError, match=r"has 32 bytes|nothing to encrypt"):
            encrypt(key, plaintext, iv)
    with pytest.raises(ValueError, match="has 32 bytes"):
        decrypt(KEY[:16], bytes(100))
