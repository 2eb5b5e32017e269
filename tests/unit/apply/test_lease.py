"""Who a process says it is when it takes a lease."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from reconciler.apply.lease import is_alive, this_process
from reconciler.store.leases import Owner, is_dead

WHO = "import json; from reconciler.apply.lease import this_process as me; found = me(''); print(json.dumps([found.host, found.pid, found.boot]))"


def said_by(*command: str) -> Owner:
    done = subprocess.run([*command, sys.executable, "-c", WHO], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(done.stderr)
    host, pid, boot = json.loads(done.stdout)
    return Owner("other", host, pid, boot)


def test_a_process_that_has_ended_is_dead_to_others_of_this_machine():
    assert is_dead(said_by(), this_process("here"), is_alive)


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs util-linux")
def test_of_a_container_with_the_name_of_its_machine_nothing_is_concluded_from_process_ids():
    other = said_by("unshare", "--user", "--map-root-user", "--pid", "--fork")
    assert other.host == this_process("here").host
    assert not is_dead(other, this_process("here"), is_alive)
