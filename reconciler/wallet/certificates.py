"""Certificates that we hold: what a certifier has signed of us, and revealing fields of it to others (BRC-52)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reconciler.model.ids import IdentityKey
from reconciler.model.json import JsonObject
from reconciler.model.keys import KeyRef
from reconciler.wallet.keys import Keys
from reconciler.wire.certificate import FIELD_PROTOCOL, Certificate
from reconciler.wire.encryption import IV_BYTES
from reconciler.wire.handshake import Wanted


@dataclass(frozen=True, slots=True)
class Holder:
    """Satisfies wire.conversation.Holder. In certificates that are held, the keyring is the master one, which opens every field."""

    keys: Keys
    held: Sequence[Certificate]
    randomness: Callable[[int], bytes]

    def shown(self, wanted: Wanted, verifier: IdentityKey) -> tuple[JsonObject, ...]:
        """Those of ours that are wanted, with the fields that are asked for revealed to `verifier` and to nobody else.

        Raises VerificationError where a master keyring is not ours.
        """
        return tuple(
            self._reveal(each, wanted.types[each.type], verifier).to_json()
            for each in self.held
            if each.certifier in wanted.certifiers and each.type in wanted.types
        )

    def _reveal(self, certificate: Certificate, names: Sequence[str], verifier: IdentityKey) -> Certificate:
        keyring = {}
        for name in names:
            if name not in certificate.keyring:
                continue
            master = KeyRef(FIELD_PROTOCOL, name, certificate.certifier)
            key = self.keys.decrypt(master, base64.b64decode(certificate.keyring[name]))
            theirs = KeyRef(FIELD_PROTOCOL, f"{certificate.serial} {name}", verifier)
            keyring[name] = base64.b64encode(self.keys.encrypt(theirs, key, iv=self.randomness(IV_BYTES))).decode()
        return replace(certificate, keyring=keyring)
