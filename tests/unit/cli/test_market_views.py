"""What a buyer reads: fixed texts, and nothing in them that a stranger could move the cursor with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from reconciler.cli.views.market import goods_text, services_text, size_text, table
from reconciler.cli.views.purchases import Left, Quoted, quotes_text, report_csv, report_text
from reconciler.consumer.discovery import GatewayState, Standing
from reconciler.consumer.offers import Offer
from reconciler.consumer.report import report_of
from reconciler.consumer.search import Found, Service
from reconciler.model.amounts import Satoshis
from reconciler.model.goods import Good
from reconciler.model.ids import Kind, RecordId, digest
from reconciler.model.order import Order, OrderState
from reconciler.model.payment import PaymentMethod
from reconciler.wire.receipt import Allowance, Receipt
from reconciler.wire.selling import Quote

ACME, ZETA = "02" + "a1" * 32, "03" + "b2" * 32
DOCUMENT = digest("cd" * 32)
NAME = RecordId(Kind.DATASET, "tables/a.csv")


def seller(key, name, standing=Standing.OPEN, detail=""):
    """As much of a consumer.discovery.Seller as is shown."""
    return SimpleNamespace(
        identity=key,
        name=name,
        title=f"{name.title()} \x1b[2JInc.",
        url="http://localhost:3000",
        gateway=GatewayState(standing, detail),
        regions=("EU", "US"),
        hosts=("http://public.embedded",),
        offers=(1, 2),
        root=SimpleNamespace(document=SimpleNamespace(generation=3)),
    )


def offer(key, satoshis, model="per-request"):
    return Offer(
        producer=key,
        id=NAME,
        document_hash=DOCUMENT,
        public={"title": "Table\na", "pricing": {"model": model, "satoshis": satoshis}},
        content=SimpleNamespace(size=4172, media_type="text/csv"),
    )


def ordered(**fields):
    facts = {
        "id": "5f0c3a9e21b74d68",
        "producer": ACME,
        "gateway": "http://localhost:3000",
        "gateway_key": ZETA,
        "good": Good(NAME),
        "document": DOCUMENT,
        "price": Satoshis(2500),
        "expires": 1_763_720_000,
        "created": 1_763_716_400,
        "updated": 1_763_716_400,
    }
    return Order(**facts | fields)


PAID = ordered(
    state=OrderState.DONE,
    method=PaymentMethod.BRC105,
    payment="ef" * 32,
    paid=Satoshis(2500),
    fee=Satoshis(23),
    paid_at=1_763_716_410,
    receipt=Receipt(
        network=DOCUMENT,
        producer=ACME,
        gateway=ZETA,
        buyer=ACME,
        good=Good(NAME),
        document=DOCUMENT,
        method=PaymentMethod.BRC105,
        price=Satoshis(2500),
        satoshis=Satoshis(2500),
        txid="ef" * 32,
        issued=1_763_716_411,
        allowance=Allowance(downloads=10, bytes=10_485_760, until=1_766_308_411),
        signature=b"\x30",
    ).to_bytes(),
)
REPORT = report_of([ordered(), PAID], at=1_763_716_500)


def test_services_of_several_producers_stand_side_by_side_and_each_is_told_apart():
    found = [
        Service(seller=seller(ACME, "acme"), capability="tables", goods=(offer(ACME, 7),), ad=None),
        Service(
            seller=seller(ZETA, "acme", Standing.CLOSED, "no answer"), capability=None, goods=(offer(ZETA, 9),), ad=None
        ),
    ]
    assert services_text(found).splitlines() == [
        "PRODUCER         CAPABILITY  FROM   GOODS  REGIONS  GATEWAY",
        f"acme {ACME[:10]}  tables      7 sat  1      EU, US   open",
        f"acme {ZETA[:10]}  -           9 sat  1      EU, US   closed",
        "",
        "acme  Acme \\u001b[2JInc.",
        f"  key      {ACME}",
        "  gateway  http://localhost:3000 open",
        "  proven   generation 3, 2 records, all shown by http://public.embedded",
        "acme  Acme \\u001b[2JInc.",
        f"  key      {ZETA}",
        "  gateway  http://localhost:3000 closed (no answer)",
        "  proven   generation 3, 2 records, all shown by http://public.embedded",
        "",
        "2 producers, 1 gateway open.",
    ]
    assert services_text([]) == "Nobody offers that."


def test_goods_have_a_line_each():
    found = [Found(seller(ACME, "acme"), offer(ACME, 15, "per-mb")), Found(seller(ACME, "acme"), offer(ACME, 0))]
    assert goods_text(found).splitlines() == [
        "PRICE          GOOD                  SIZE    PRODUCER  TITLE",
        "15 sat per-mb  dataset/tables/a.csv  4.2 kB  acme      Table\\u000aa",
        "free           dataset/tables/a.csv  4.2 kB  acme      Table\\u000aa",
        "",
        "2 goods of 1 producer.",
    ]


def test_a_quote_says_what_it_costs_until_when_and_how_it_is_paid():
    quote = Quote(
        id="x",
        good=Good(NAME, 2),
        document=DOCUMENT,
        satoshis=Satoshis(2000),
        list_satoshis=Satoshis(2500),
        tier="regular",
        credit=Satoshis(0),
        expires=1_763_720_000,
        recipient=ZETA,
        methods=frozenset({PaymentMethod.NATIVE, PaymentMethod.BRC105}),
    )
    assert quotes_text([Quoted(ordered(), quote, "acme")]).splitlines() == [
        "PRICE      LIST       TIER     GOOD                      PRODUCER  PAY BY          UNTIL             QUOTE",
        f"2,000 sat  2,500 sat  regular  {NAME} x 2  acme      brc105, native  2025-11-21 10:13  5f0c3a9e21b74d68",
        "",
        "1 good for 2,000 satoshis.",
    ]


def test_a_report_counts_what_was_paid_and_what_is_left_of_it():
    (held,) = REPORT.receipts
    left = {held.receipt.id: Left(state="live", downloads=3, bytes=85_760)}
    assert report_text(REPORT, left, payments=True).splitlines() == [
        "DAY         PURCHASES  PAID       FEES",
        "2025-11-21  1          2,500 sat  23 sat",
        "",
        f"{'PRODUCER':66}  PURCHASES  PAID       FEES",
        f"{ACME}  1          2,500 sat  23 sat",
        "",
        "RECEIPT       GOOD                  STATE  DOWNLOADS LEFT  BYTES LEFT  UNTIL",
        f"{held.receipt.id[:12]}  dataset/tables/a.csv  live   7 of 10         10.4 MB     2025-12-21 09:13",
        "",
        f"{'WHEN':16}  STATE  PAID       FEE     BY      GOOD                  TRANSACTION",
        f"2025-11-21 09:13  done   2,500 sat  23 sat  brc105  dataset/tables/a.csv  {'ef' * 32}",
        "",
        "1 purchase for 2,500 satoshis, and 23 in fees.",
    ]
    assert "not asked" in report_text(REPORT, {}, payments=False)
    assert report_text(report_of([], at=0), {}, payments=True) == "0 purchases for 0 satoshis, and 0 in fees."


def test_spreadsheets_get_one_line_a_payment():
    header, line = report_csv(REPORT).splitlines()
    assert header.split(",")[:4] == ["id", "state", "producer", "gateway"]
    assert line.startswith(
        f"5f0c3a9e21b74d68,done,{ACME},http://localhost:3000,dataset,tables/a.csv,1,2500,brc105,2500,23,"
    )


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123_456, "123 kB"), (5 * 10**12, "5.0 TB")]
)
def test_sizes_are_short(size, said):
    assert size_text(size) == said


def test_columns_that_nothing_stands_in_are_left_out():
    assert table([("A", "B", "C"), ("1", "-", "x"), ("22", "-", "")]) == ["A   C", "1   x", "22"]


def test_columns_are_as_wide_as_what_a_terminal_shows_of_them():
    assert table([("TITLE", "PRICE"), ("天気", "5 sat"), ("🎉 news", "12 sat"), ("cafe\u0301", "7 sat")]) == [
        "TITLE    PRICE",
        "天気     5 sat",
        "🎉 news  12 sat",
        "cafe\u0301     7 sat",
    ]
