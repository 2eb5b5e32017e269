"""The command for tests that start it often: a process for each, forked off one that has imported everything.

Starting Python and importing takes several times as long as planning does.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

FORGE = """\
import json, os, signal, socket, sys
from reconciler.cli.main import main
import reconciler.store.schema

main(["--version"])
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("listening", flush=True)
while True:
    connection, _ = server.accept()
    if os.fork():
        connection.close()
        continue
    server.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    wanted = json.loads(data)
    for number, file in enumerate(files):
        os.dup2(file, number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):  # what they were may have been files, where one can seek
        setattr(sys, name, open(number, "w" if number else "r", closefd=False))
    os.chdir(wanted["directory"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    code = main(wanted["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(bytes([code]))
    os._exit(code)
"""
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
wanted = {{"arguments": sys.argv[1:], "directory": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(connection, [json.dumps(wanted).encode()], [0, 1, 2])
code = connection.recv(1)
sys.exit(code[0] if code else 70)
"""


@pytest.fixture(scope="session")
def command() -> Iterator[Path]:
    """An executable `overlay`."""
    with tempfile.TemporaryDirectory() as folder:  # sockets want short paths
        address, client = Path(folder) / "forge", Path(folder) / "overlay"
        client.write_text(CLIENT.format(python=sys.executable, address=str(address)))
        client.chmod(0o755)
        arguments = [sys.executable, "-c", FORGE, str(address)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as forge:
            try:
                assert forge.stdout is not None
                while "listening" not in (line := forge.stdout.readline()):
                    assert line
                yield client
            finally:
                forge.kill()
