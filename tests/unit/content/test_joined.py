from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.content.joined import open_joined

IN_ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
"""Each example writes its files anew."""
contents = st.lists(st.binary(max_size=200_000), min_size=1, max_size=5)


def put(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"{index}" for index in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


@IN_ONE_FOLDER
@given(contents=contents, amount=st.integers(1, 300_000))
def test_files_are_read_like_the_one_that_they_are_joined_to(tmp_path, contents, amount):
    whole = io.BytesIO(b"".join(contents))

    with open_joined(put(tmp_path, *contents)) as file:
        while expected := whole.read(amount):
            assert file.read(amount) == expected
        assert file.read(1) == b""


@IN_ONE_FOLDER
@given(contents=contents, offsets=st.lists(st.integers(0, 1_100_000), max_size=5))
def test_any_offset_can_be_sought(tmp_path, contents, offsets):
    whole = b"".join(contents)

    with open_joined(put(tmp_path, *contents)) as file:
        for offset in offsets:
            assert file.seek(offset) == file.tell() == offset
            assert file.read(1000) == whole[offset : offset + 1000]


def test_what_is_read_in_one_piece_is_the_whole(tmp_path):
    contents = [b"a" * 70_000, b"", b"b", b"c" * 600_000]

    with open_joined(put(tmp_path, *contents)) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()

    assert digest == hashlib.sha256(b"".join(contents)).hexdigest()
    with open_joined(put(tmp_path, *contents)) as file:
        assert file.read() == b"".join(contents)


def test_only_one_file_is_open_at_a_time(tmp_path):
    paths = put(tmp_path, *(b"%d" % index for index in range(200)))
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("this system does not show which files are open")
    before = len(list(descriptors.iterdir()))

    with open_joined(paths) as file:
        file.read(300)
        assert len(list(descriptors.iterdir())) == before + 1
    assert len(list(descriptors.iterdir())) == before


def test_a_file_that_is_gone_is_an_error_that_names_it(tmp_path):
    first, second = put(tmp_path, b"one", b"two")
    second.unlink()

    with open_joined([first, second]) as file, pytest.raises(FileNotFoundError) as caught:
        file.read()
    assert caught.value.filename == str(second)
    with open_joined([first, second]) as file, pytest.raises(FileNotFoundError):
        file.seek(4)


def test_it_is_sought_from_its_beginning_only(tmp_path):
    with open_joined(put(tmp_path, b"one")) as file, pytest.raises(io.UnsupportedOperation):
        file.seek(0, io.SEEK_END)
