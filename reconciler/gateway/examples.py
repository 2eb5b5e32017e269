"""Examples for the gateway's OpenAPI document: one purchase from the quote to the settlement. Tests hold them to their schemas."""

from __future__ import annotations

from typing import Final

from reconciler.model.json import JsonObject

RECEIPT: Final[JsonObject] = {
    "version": 1,
    "id": "ae2024ca49b457f04fd32c8dc6489c1114037a1b48eb12f4329183875026fbe0",
    "network": "abb065351477f81c14d119a129b6d9c1f235bc42551f4e7e1cd3e69b12db10c9",
    "producer": "0290f61e3180f843ff922b2a638a883895f21fcdb81883641d02dcedc656698ab2",
    "gateway": "03fd705564464e6d597e18bf0442a1c31e24840d847f10845e736f414a97ff9f6e",
    "buyer": "030d8893492a45139e1abed379d33953a4d01394295f29488c55008c21c885345a",
    "good": {
        "documentHash": "7a2b3f24d7a64bc4b3cd84949730875b39700aba378d2edac7ea0981084c6fa7",
        "kind": "dataset",
        "name": "crypto/btc-history",
    },
    "quantity": 1,
    "method": "brc105",
    "price": 2500,
    "satoshis": 2500,
    "txid": "ea6020e75f5ec061ab93b3fce0d7af6fc1186c2065c6733ca428ef2f8bf0d5d1",
    "issued": 1800000000,
    "allowance": {
        "bytes": 10485760,
        "downloads": 10,
        "until": 1802592000,
    },
    "signature": "3045022100d9b14845d7757d3bc076fde28900d92f9305d927ecc0d44f2c62df6d8372285402204e0754161ec0cb7125806c5fe744535be3dd53dd3331a6d2376ab74753bfc89d",
}
"""It is signed: `Receipt.parse(RECEIPT).check()`."""

_QUOTE_ID: Final = "bm90IGEgcmVhbCBxdW90ZWpJOFcTPKwrvU2kQ9n0cTqYh2Zr6mXwq0bVJdE="
_SCRIPT: Final = "76a914" + "5f" * 20 + "88ac"
_PAYMENT: Final = "ea6020e75f5ec061ab93b3fce0d7af6fc1186c2065c6733ca428ef2f8bf0d5d1"
_CONTENT: Final = "7c" * 32
_STORED: Final = "XUUsxwqTR8mUj6dcm9fgzBH3kEXgGPnjqpcfUQpYeCtnKzTxQFMc"

STORED_RECEIPT: Final[JsonObject] = {
    "receipt": RECEIPT,
    "state": "live",
    "used": {"downloads": 1, "bytes": 48_211},
}

QUOTE_WISH: Final[JsonObject] = {"kind": "dataset", "name": "crypto/btc-history"}

QUOTE: Final[JsonObject] = {
    "id": _QUOTE_ID,
    "kind": "dataset",
    "name": "crypto/btc-history",
    "quantity": 1,
    "documentHash": "7a2b3f24d7a64bc4b3cd84949730875b39700aba378d2edac7ea0981084c6fa7",
    "satoshis": 2500,
    "listSatoshis": 2500,
    "tier": "standard",
    "discount": "0%",
    "credit": 0,
    "expires": 1_800_003_600,
    "recipient": RECEIPT["gateway"],
    "methods": [
        {"method": "brc105", "url": "/v1/datasets/crypto/btc-history/access"},
        {"method": "brc121", "url": "/v1/datasets/crypto/btc-history/content"},
    ],
}

ACCESS: Final[JsonObject] = {
    "receipt": RECEIPT,
    "key": "base64 of the content key, encrypted to the buyer (BRC-2)",
    "urls": ["https://data.example.com/v1/datasets/crypto/btc-history/content?grant=riAkyknb…"],
    "expires": 1_800_003_600,
    "sha256": _CONTENT,
    "size": 48_211,
    "mediaType": "text/csv",
    "parts": [{"uhrp": _STORED, "sha256": "ab" * 32, "size": 48_227}],
}

MEMBERSHIP: Final[JsonObject] = {"receipt": RECEIPT}

TEMPLATE_WISH: Final[JsonObject] = {
    "quote": {
        "id": _QUOTE_ID,
        "kind": "dataset",
        "name": "crypto/btc-history",
        "quantity": 1,
        "satoshis": 60_000,
    }
}

TEMPLATE: Final[JsonObject] = {
    "id": "1d" * 32,
    "expires": 1_800_086_400,
    "satoshis": 60_000,
    "outputs": [
        {"satoshis": 57_000, "script": _SCRIPT, "to": "producer"},
        {"satoshis": 3_000, "script": _SCRIPT, "to": "payee"},
    ],
    **TEMPLATE_WISH,
}

NATIVE_PAYMENT: Final[JsonObject] = {
    "template": "1d" * 32,
    "transaction": "AQEBAdHV8Iv4L++MpCQ88yBl… (Atomic BEEF, base64)",
}

NATIVE_PAID: Final[JsonObject] = {"receipt": RECEIPT}

RECEIPTS: Final[JsonObject] = {"receipts": [STORED_RECEIPT]}

SETTLEMENTS: Final[JsonObject] = {
    "settlements": [
        {
            "txid": "5e" * 32,
            "vout": 0,
            "satoshis": 56_990,
            "protocol": "data catalog coin",
            "keyId": f"settle {_PAYMENT}.0 0",
            "counterparty": RECEIPT["gateway"],
            "state": "mined",
            "height": 812_345,
            "beef": "AQEBAV5eXl5eXl5eXl5e… (Atomic BEEF, base64)",
        }
    ],
    "unsettled": {"count": 2, "satoshis": 5_000},
    "next": None,
}

STANDING: Final[JsonObject] = {
    "identityKey": RECEIPT["buyer"],
    "tier": "standard",
    "quota": {
        "bytes": 10_000_000_000,
        "requests": 10_000,
        "streams": 5,
        "window": 86_400,
        "used": {"bytes": 123_456, "requests": 12},
        "resets": 1_800_057_600,
    },
    "state": "active",
}

_ENTRY: Final[JsonObject] = {
    "kind": "dataset",
    "name": "country-codes",
    "title": "Country codes and names",
    "documentHash": "3c" * 32,
    "outpoint": f"{'4d' * 32}.3",
    "tags": ["countries", "iso3166"],
    "capability": None,
    "price": {"model": "per-request", "satoshis": 0},
    "sha256": _CONTENT,
    "uhrp": _STORED,
    "size": 4_500,
    "mediaType": "text/tab-separated-values",
}

CATALOG: Final[JsonObject] = {"records": [_ENTRY], "next": "ZGF0YXNldC9jb3VudHJ5LWNvZGVz"}

RECORD: Final[JsonObject] = {
    **_ENTRY,
    "document": {"version": 1, "kind": "dataset", "name": "country-codes"},
    "proof": {
        "index": 1,
        "path": ["5a" * 32, "6b" * 32],
        "leafCount": 4,
        "stateRoot": "7c" * 32,
        "generation": 7,
        "root": f"{'4d' * 32}.0",
    },
}
