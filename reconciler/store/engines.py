"""SQLAlchemy's engine for asyncio, without its ORM: the package that has both would load it into every process."""

from __future__ import annotations

from reconciler.unopened import leave_unopened

leave_unopened("sqlalchemy.ext.asyncio")

from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine, create_async_engine  # noqa: E402  # only after that

__all__ = ["AsyncConnection", "AsyncEngine", "create_async_engine"]
