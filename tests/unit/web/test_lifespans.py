"""Driving an app's lifespan without a server."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from reconciler.model.errors import StateError
from reconciler.web.lifespans import Opening, running


def app_of(told, *, fails: str = "") -> Starlette:
    @asynccontextmanager
    async def lifespan(_):
        if fails == "starting":
            raise LookupError(fails)
        told.append("up")
        yield
        told.append("down")
        if fails == "stopping":
            raise LookupError(fails)

    return Starlette(lifespan=lifespan)


async def test_the_block_runs_between_startup_and_shutdown():
    told = []
    async with running(app_of(told)):
        told.append("block")
    assert told == ["up", "block", "down"]


async def test_shutdown_comes_although_the_block_fails():
    told = []
    with pytest.raises(KeyError):
        async with running(app_of(told)):
            raise KeyError
    assert told == ["up", "down"]


@pytest.mark.parametrize("when", ["starting", "stopping"])
async def test_what_the_app_raises_is_raised_here(when):
    with pytest.raises(LookupError, match=when):
        async with running(app_of([], fails=when)):
            assert when == "stopping"


async def test_an_app_that_ends_its_lifespan_at_once_never_started():
    async def app(scope, receive, send):
        assert scope["type"] == "lifespan"

    with pytest.raises(RuntimeError, match="instead of starting up"):
        async with running(app):
            pass


@pytest.mark.parametrize("fails", ["startup", "shutdown"])
async def test_a_server_is_told_in_which_phase_what_it_drives_has_failed(fails):
    @asynccontextmanager
    async def opened():
        if fails == "startup":
            raise StateError("the database is not there", hint="make one")
        yield app_of([])
        raise StateError("the database is not there", hint="make one")

    asked, told = iter(["lifespan.startup", "lifespan.shutdown"]), []

    async def receive():
        return {"type": next(asked)}

    async def send(message):
        told.append(message)

    await Opening(opened)({"type": "lifespan"}, receive, send)

    assert told[-1] == {"type": f"lifespan.{fails}.failed", "message": "the database is not there; make one"}
