"""Coins that somebody hands over with their proof."""

from __future__ import annotations

from reconciler.wire.beef import parse_beef


def test_a_payment_is_taken_in_once_with_its_proof_and_not_without(overlay):
    at = ("--network", "embedded")
    address = overlay.json("wallet", "address", *at)["address"]
    gift = overlay.json("devnet", "fund", address, "5000", *at)
    (overlay.folder / "payment.hex").write_text(gift["beef"] + "\n")
    (overlay.folder / "payment.beef").write_bytes(bytes.fromhex(gift["beef"]))
    assert overlay.run("wallet", "import", "payment.hex", *at).stdout.startswith("Received 5,000 satoshis.\n")
    again = overlay.json("wallet", "import", "payment.beef", *at)
    assert again["total"] == again["confirmed"] == 5000
    assert overlay.json("wallet", "audit", *at)["balanced"]

    beef, subject = parse_beef(bytes.fromhex(gift["beef"]))
    raw = beef.transactions[subject].transaction.raw
    unproven = bytes.fromhex("0100beef" + "00" + "01") + raw + b"\x00"
    for name, content, said in (
        ("unproven", unproven, "no block proves the payment yet"),
        ("nonsense", b"money", "not a BEEF"),
        ("others", bytes.fromhex(overlay.json("devnet", "fund", OTHERS, "700", *at)["beef"]), "pays nothing to this"),
    ):
        (overlay.folder / name).write_bytes(content)
        done = overlay.run("wallet", "import", name, *at, code=1)
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert "No such file" in overlay.run("wallet", "import", "missing", *at, code=1).stderr.replace(
        "no such", "No such"
    )


OTHERS = "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8"
