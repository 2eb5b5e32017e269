from __future__ import annotations

import asyncio
import os

from reconciler.store.database import Database
from reconciler.store.schema import prepare


async def _open(url) -> None:
    database = Database.open(url)
    try:
        await prepare(database)
    finally:
        await database.close()


def test_several_processes_may_open_a_new_database_at_the_same_instant(databases):
    for _ in range(5):
        url = databases.create_empty()
        start, go = os.pipe()
        children = []
        for _ in range(4):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    os.close(go)
                    os.read(start, 1)  # until the parent lets go
                    asyncio.run(_open(url))
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        os.close(start)
        os.close(go)
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0, 0]
