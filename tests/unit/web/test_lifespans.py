"""Driving an app's lifespan without a server."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from reconciler.web.lifespans import running


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
