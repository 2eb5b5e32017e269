"""What else may go wrong between a plan and its records: files, hosts, keys and coins that are not as they were."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler.apply.events import Ending, Event, Step
from reconciler.chain.index import AddressIndex
from reconciler.cli.wiring import clock, keys_of
from reconciler.control.restore import restore
from reconciler.model.errors import GuardError, ManifestError, StalePlanError, UnreachableError
from reconciler.model.ids import Network
from reconciler.store.journal import Journal
from reconciler.store.outbox import Delivery, Outbox
from reconciler.wire.http import ANSWER, Http, Reply

PUBLIC = "http://public.embedded"


class Door:
    """A door at which a test may look at every request before it goes out, and at every reply."""

    def __init__(self, http: Http, *, before: Callable[[str, str], None] | None = None, after: Any = None) -> None:
        self._http = http
        self._before = before
        self._after = after

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        within: float = 10.0,
        limit: int = ANSWER,
    ) -> Reply:
        if self._before is not None:
            self._before(method, url)
        reply = await self._http.request(method, url, headers=headers, content=content, within=within, limit=limit)
        if self._after is not None:
            self._after(method, url)
        return reply

    def stream(self, url: str, *, headers: Mapping[str, str] | None = None, within: float = 10.0) -> Any:
        return self._http.stream(url, headers=headers, within=within)


@pytest.mark.parametrize("fate", ["grows", "shrinks", "changes", "vanishes"])
async def test_a_file_that_changes_while_it_is_sent_stops_the_apply_before_anything_is_signed(producer, fate):
    path = producer.data("a.csv", "id,value\n1,one\n")
    text = path.read_text()
    fates: dict[str, Callable[[], Any]] = {
        "grows": lambda: path.write_text(text + "2,two\n"),
        "shrinks": lambda: path.write_text("id\n"),
        "changes": lambda: path.write_text(text.replace("one", "two")),
        "vanishes": lambda: path.unlink(missing_ok=True),
    }

    def before(method: str, _: str) -> None:
        if method == "PUT":
            fates[fate]()

    with pytest.raises(StalePlanError, match=r"a\.csv"):
        await producer.apply(http=lambda http: Door(http, before=before))
    async with producer.site() as site, site.database.begin() as connection:
        assert await Journal(connection).list(1) == ()
    path.write_text(text)
    assert (await producer.apply()).applied.generation == 1


async def test_two_datasets_with_the_same_bytes_are_sent_once(producer):
    producer.data("b.csv", producer.data("a.csv", "the very same\n").read_text())
    sent = []
    await producer.apply(http=lambda http: Door(http, before=lambda method, url: sent.append((method, url))))
    assert [method for method, _ in sent].count("PUT") == 1
    assert (await producer.plan()).plan.is_empty


@pytest.mark.parametrize("size", [0, 16])
async def test_a_file_whose_size_no_token_can_state_is_refused_before_anything_happens(producer, size):
    producer.data("odd.csv", "x" * size)
    with pytest.raises(ManifestError) as caught:
        await producer.apply()
    assert [(found.code, found.found) for found in caught.value.diagnostics] == [("unstorable-size", "data/odd.csv")]
    assert not producer.home.joinpath("embedded", "world", "chain.db").exists()


async def test_coins_that_the_faucet_gave_before_a_kill_are_found_again(producer, kill):
    def after(_: str, url: str) -> None:
        if url.endswith("/faucet"):
            kill()

    async def die() -> None:
        await producer.apply(http=lambda http: Door(http, after=after))

    assert producer.in_child(die) is None
    finished = await producer.apply()
    assert finished.planned.funded == 0
    assert finished.applied.generation == 1
    async with producer.site() as site:
        keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
        from reconciler.apply.receiving import funding_address

        assert await site.world().index.unspent(funding_address(keys, Network.EMBEDDED)) == ()
    assert (await producer.audit()).balanced


async def test_a_host_that_is_down_is_asked_once_a_round_and_told_everything_when_it_is_back(producer):
    asked = []

    def down(_: str, url: str) -> None:
        if url.startswith(PUBLIC):
            asked.append(url)
            raise UnreachableError("it is down", where=PUBLIC)

    await producer.apply()
    for number in (2, 3, 4):
        producer.write(title=f"Title {number}")
        if number == 2:
            finished = await producer.apply(http=lambda http: _DownAfterPlan(http, down))
        else:
            asked.clear()
            finished = await producer.apply(http=lambda http: Door(http, before=down))
            assert sum(url.endswith("/listTopicManagers") for url in asked) == 2  # once to recover, once to deliver
        assert finished.applied.generation == number
        assert PUBLIC in {delivery.host for delivery in finished.applied.undelivered}
    finished = await producer.apply()
    assert finished.applied is None
    assert [delivery.host for delivery in finished.recovered.done] == [PUBLIC] * 3
    assert (await producer.catalog()).root.generation == 4


class _DownAfterPlan(Door):
    """The host goes down when the transaction is on its way."""

    def __init__(self, http: Http, down: Callable[[str, str], None]) -> None:
        super().__init__(http, before=self._look)
        self._down = down
        self._is_down = False

    def _look(self, method: str, url: str) -> None:
        self._is_down = self._is_down or (method == "POST" and "/v1/tx" in url)
        if self._is_down:
            self._down(method, url)


async def test_what_is_owed_to_a_host_that_is_not_configured_any_more_is_forgotten(producer):
    await producer.apply()
    async with producer.site() as site, site.database.begin() as connection:
        entry = (await Journal(connection).list(1))[0]
        owed = Delivery(entry=entry.id, host="http://gone.embedded", txid=entry.txids[0], topics=("tm_data_catalog",))
        await Outbox(connection).add([owed])
    told: list[Any] = []
    finished = await producer.apply(tell=told.append)
    assert finished.recovered.failed == ()
    endings = [event.ending for event in told if isinstance(event, Event) and event.step is Step.DELIVER]
    assert endings == [Ending.BLOCKED]
    async with producer.site() as site, site.database.begin() as connection:
        assert await Outbox(connection).pending() == ()


async def test_another_key_neither_plans_nor_rebuilds_nor_audits_on_a_database_that_is_not_its_own(producer, request):
    import secrets

    await producer.apply()
    stranger = replace(
        producer, environment={"OVERLAY_IDENTITY_KEY": hashlib.sha256(request.node.name.encode()).hexdigest()}
    )
    with pytest.raises(GuardError, match="belongs to the identity"):
        await stranger.plan()
    with pytest.raises(GuardError, match="belongs to the identity"):
        await stranger.apply(replace_identity=True)
    with pytest.raises(GuardError, match="belongs to the identity"):
        await stranger.audit()
    async with stranger.site() as site:
        keys = keys_of(stranger.invocation, Network.EMBEDDED, create=False)
        with pytest.raises(GuardError, match="belongs to the identity"):
            await restore(
                world=site.world(),
                database=site.database,
                keys=keys,
                index=AddressIndex(site.http, site.endpoints.headers),
                clock=clock,
                randomness=secrets.token_bytes,
            )
    assert (await producer.plan()).plan.is_empty
    assert (await producer.audit()).balanced


async def test_a_host_that_talks_nonsense_does_not_stand_for_all(producer):
    await producer.apply()

    def refuse(_: str, url: str) -> None:
        if url == f"{PUBLIC}/lookup":
            from reconciler.model.errors import RefusedError

            raise RefusedError("it refuses", code="403", where=PUBLIC)

    with pytest.raises(UnreachableError, match="no host could say"):
        await producer.apply(http=lambda http: Door(http, before=refuse))
    assert (await producer.plan()).plan.is_empty
