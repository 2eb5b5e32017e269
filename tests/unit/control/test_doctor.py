from __future__ import annotations

import pytest

from reconciler.clients.survey import Answers
from reconciler.control import doctor
from reconciler.control.doctor import CHAINS, Examination, checked
from reconciler.control.world import World
from reconciler.model.errors import StateError, UnreachableError
from reconciler.model.ids import Network
from reconciler.model.networks import ENDPOINTS
from reconciler.wire.http import Reply

NOW = 1_767_225_600


class Http:
    """Satisfies wire.http.Http with answers by the end of a URL; everybody else is silent."""

    def __init__(self, **answers: bytes) -> None:
        self._answers = answers

    async def request(self, method, url, **_):
        for end, body in self._answers.items():
            if url.endswith(end.replace("_", "/")):
                return Reply(url, 200, {}, body)
        raise UnreachableError(f"{url} did not answer in time", where=url)


class Nobody:
    """Finds nothing."""

    async def hosts_for(self, name):
        return ()

    async def lookup(self, service, query):
        return Answers({})


def examination(network: Network = Network.TEST, *, height: int = 5, time: int = NOW, chain: str = "") -> Examination:
    block = f'{{"hash": "{chain or CHAINS.get(network)}", "height": 1}}'
    http = Http(
        block_headers=f'[{{"height": {height}, "time": {time}}}]'.encode(),
        block_1_header=block.encode(),
        v1_policy=b'{"policy": {"miningFee": {"satoshis": 1, "bytes": 1000}}}',
        v1_health=b'{"healthy": true}',
        listLookupServiceProviders=b"{}",
    )
    return Examination(
        world=World.at(network, ENDPOINTS[network], http=http, strangers=http, own="http://own.embedded"),
        lookups=Nobody(),
        storage=ENDPOINTS[Network.EMBEDDED].storage[:1],
        gateway_url="https://gateway.example",
        keys=None,
        recorded_chain=None,
        now=NOW,
    )


async def found(examined: Examination) -> dict[str, tuple[bool, str]]:
    return {check.name: (check.ok, check.detail) for check in await examined.checks()}


async def test_each_is_asked_and_silence_fails_that_check_only():
    assert await found(examination()) == {
        "chain": (True, "at height 5"),
        "clock": (True, "the newest block is 0 seconds old"),
        "arc": (True, "1 satoshis for 1000 bytes"),
        "host https://testnet-users.bapp.dev": (True, "0 look-up services"),
        "storage storage-us": (False, "http://storage-us.embedded/quote did not answer in time"),
    }


async def test_another_chain_than_the_networks_is_told():
    ok, detail = (await found(examination(chain="ab" * 32)))["chain"]

    assert not ok
    assert CHAINS[Network.TEST] in detail


@pytest.mark.parametrize(
    ("time", "ok"), [(NOW, True), (NOW + 3600, True), (NOW + 9000, False), (NOW - 3600, True), (NOW - 90_000, False)]
)
async def test_a_clock_that_no_block_can_agree_with_is_told(time, ok):
    assert (await found(examination(time=time)))["clock"][0] is ok


async def test_a_toy_chain_may_be_silent_for_long():
    assert (await found(examination(Network.EMBEDDED, time=NOW - 90_000, chain="ab" * 32)))["clock"][0]


async def test_what_is_raised_is_a_check_that_failed():
    async def fail() -> str:
        raise StateError("it is broken", hint="mend it")

    async def refuse() -> str:
        raise PermissionError(13, "Permission denied")

    failed = await checked("a", fail(), hint="not this one")
    assert (failed.ok, failed.detail, failed.hint) == (False, "it is broken", "mend it")
    refused = await checked("b", refuse(), hint="this one")
    assert (refused.detail, refused.hint) == ("the system refuses: permission denied", "this one")


def test_a_key_that_others_may_read_is_told(tmp_path):
    path = tmp_path / "identity.key"
    path.touch(mode=0o600)
    assert "0600" in doctor.key_mode(path)

    path.chmod(0o640)
    with pytest.raises(StateError, match="others may read") as caught:
        doctor.key_mode(path)
    assert caught.value.hint == f"chmod 600 {path}"


async def test_a_folder_that_takes_no_files_is_told(tmp_path):
    assert await doctor.folder(tmp_path) == str(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        await doctor.folder(tmp_path / "nowhere")
