"""Identity certificates (BRC-52) as BRC-103 hands them over: signed by a certifier, fields encrypted, some of them revealed.

A field's value is encrypted under a key of its own; `keyring` has the keys of those that are revealed, each encrypted to the
verifier. Whether a certificate was revoked, which is whether its outpoint was spent, is not looked at here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, Outpoint, identity_key
from reconciler.model.json import JsonObject
from reconciler.model.keys import KeyRef
from reconciler.wire.derivation import public_child, verify
from reconciler.wire.encryption import decrypt
from reconciler.wire.fields import Fields
from reconciler.wire.handshake import Wanted
from reconciler.wire.reading import varint

FIELD_PROTOCOL: Final = "certificate field encryption"
_SIGNATURE_PROTOCOL: Final = "certificate signature"
_ID_BYTES: Final = 32
_NAME_BYTES: Final = 50

_ORDER: Final = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789"
"""How JavaScript's localeCompare sorts what is no letter (tried in Node 20); letters follow, whatever their case."""


class Opener(Protocol):
    """Whose keys open what was revealed."""

    def decrypt(self, key: KeyRef, ciphertext: bytes) -> bytes:
        """BRC-2 decryption. Raises VerificationError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certifier has signed of a subject, and which fields of it are revealed to whom it was handed."""

    type: str
    """Base64 of 32 bytes."""
    serial: str
    """Base64 of 32 bytes."""
    subject: IdentityKey
    certifier: IdentityKey
    revocation: Outpoint
    """Spent by the certifier to revoke it."""
    fields: Mapping[str, str]
    """Name to ciphertext, in base64."""
    keyring: Mapping[str, str]
    """Name to the encrypted key, in base64."""
    signature: bytes
    """DER, by the certifier."""

    @classmethod
    def parse(cls, value: JsonObject) -> Self:
        """Read one from a message; what is not known is passed over. Raises VerificationError."""
        read = Fields(value, "a certificate")
        return cls(
            type=_id(read, "type"),
            serial=_id(read, "serialNumber"),
            subject=read.parsed("subject", identity_key),
            certifier=read.parsed("certifier", identity_key),
            revocation=read.parsed("revocationOutpoint", Outpoint.parse),
            fields=_texts(read.json_object("fields"), "fields"),
            keyring=_texts(read.json_object("keyring"), "keyring"),
            signature=read.parsed("signature", bytes.fromhex),
        )

    @classmethod
    def parse_master(cls, value: JsonObject) -> Self:
        """Read one as its subject keeps it: with the keys of all fields, encrypted to itself. Raises VerificationError."""
        return cls.parse({**value, "keyring": value.get("masterKeyring")})

    def to_json(self) -> JsonObject:
        """As it stands in a message."""
        return {
            "type": self.type,
            "serialNumber": self.serial,
            "subject": self.subject,
            "certifier": self.certifier,
            "revocationOutpoint": str(self.revocation),
            "fields": dict(self.fields),
            "signature": self.signature.hex(),
            "keyring": dict(self.keyring),
        }

    def signed(self) -> bytes:
        """What the certifier's signature covers. Raises VerificationError for names that it is not certain how to sort."""
        names = sorted(self.fields, key=_collated)
        parts = [
            base64.b64decode(self.type),
            base64.b64decode(self.serial),
            bytes.fromhex(self.subject),
            bytes.fromhex(self.certifier),
            bytes.fromhex(self.revocation.txid),
            varint(self.revocation.vout),
            varint(len(names)),
        ]
        for text in (text for name in names for text in (name, self.fields[name])):
            data = text.encode()
            parts += varint(len(data)), data
        return b"".join(parts)

    def check(self) -> None:
        """Raises VerificationError unless the certifier has signed it."""
        key = KeyRef(_SIGNATURE_PROTOCOL, f"{self.type} {self.serial}", "anyone")
        try:
            signer = public_child(self.certifier, key)
        except ValueError as error:
            raise VerificationError("a certificate's certifier is no point of the curve") from error
        if not verify(signer, self.signed(), self.signature):
            raise VerificationError(f"the certifier's signature of the certificate {self.serial} is wrong")

    def revealed(self, keys: Opener) -> Mapping[str, str]:
        """The fields that were revealed to the owner of `keys`, in clear. Raises VerificationError."""
        return {name: self._open(keys, name) for name in self.keyring}

    def _open(self, keys: Opener, name: str) -> str:
        if name not in self.fields:
            raise VerificationError(f"a certificate reveals {name!r}, which it does not have")
        field = KeyRef(FIELD_PROTOCOL, f"{self.serial} {name}", self.subject)
        key = keys.decrypt(field, base64.b64decode(self.keyring[name]))
        try:
            return decrypt(key.rjust(_ID_BYTES, b"\0"), base64.b64decode(self.fields[name])).decode()
        except ValueError as error:
            raise VerificationError(f"the field {name!r} of a certificate does not open to text") from error


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate that was checked, with what it reveals."""

    certificate: Certificate
    fields: Mapping[str, str]


def checked(values: Sequence[JsonObject], wanted: Wanted, subject: IdentityKey, keys: Opener) -> tuple[Shown, ...]:
    """Certificates as they came, each of `subject` and of those that were wanted, and one at least of every type that was.

    Raises VerificationError.
    """
    shown = tuple(_checked(Certificate.parse(value), wanted, subject, keys) for value in values)
    missing = wanted.types.keys() - {each.certificate.type for each in shown}
    if missing or not shown:
        raise VerificationError(f"certificates that were asked for were not given: {len(missing) or 1} of them")
    return shown


def _checked(certificate: Certificate, wanted: Wanted, subject: IdentityKey, keys: Opener) -> Shown:
    if certificate.subject != subject:
        raise VerificationError("a certificate is of another subject than who hands it over")
    if certificate.certifier not in wanted.certifiers or certificate.type not in wanted.types:
        raise VerificationError(f"nobody asked for the certificate {certificate.serial}")
    certificate.check()
    fields = certificate.revealed(keys)
    hidden = set(wanted.types[certificate.type]) - fields.keys()
    if hidden:
        raise VerificationError(f"a certificate does not reveal {', '.join(sorted(hidden))}")
    return Shown(certificate, fields)


def _id(read: Fields, name: str) -> str:
    return base64.b64encode(read.base64(name, size=_ID_BYTES)).decode()


def _texts(value: JsonObject, what: str) -> Mapping[str, str]:
    for name, text in value.items():
        if not name or len(name.encode()) > _NAME_BYTES:
            raise VerificationError("a certificate's field has no name, or one of more than 50 bytes")
        try:
            base64.b64decode(text if isinstance(text, str) else "-", validate=True)
        except ValueError as error:
            raise VerificationError(f"{what!r} of a certificate has a value that is not base64") from error
    return {name: str(text) for name, text in value.items()}


def _collated(name: str) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """A key that sorts as localeCompare does: letters by the alphabet, and by case where all else is equal."""
    places = []
    for character in name:
        if character in _ORDER:
            places.append(_ORDER.index(character))
        elif character.isascii() and character.isalpha():
            places.append(len(_ORDER) + ord(character.lower()))
        else:
            raise VerificationError(f"the field {name!r} of a certificate has characters that not everyone sorts alike")
    return tuple(places), tuple(character.isupper() for character in name)
