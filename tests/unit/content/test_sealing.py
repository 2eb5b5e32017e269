from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from reconciler.content.sealing import SealedFile, seal
from reconciler.content.sources import FreeContent, LocalFiles
from reconciler.model.errors import StalePlanError
from reconciler.model.ids import Digest
from reconciler.wire.stream_cipher import Layout, Opening, SaltedDigest, SegmentCipher

MIB = 1 << 20
ROOT = Path(__file__).resolve().parents[3]


async def read(stored, part: int) -> bytes:
    return b"".join([chunk async for chunk in stored.chunks(part)])


@pytest.mark.parametrize("length", [1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7])
async def test_the_second_pass_sends_what_the_first_pass_announced(make_sold, length):
    sold = make_sold(length)
    stored = await sold.seal()

    sent = [await read(stored, part) for part in range(len(stored.parts))]

    assert [hashlib.sha256(data).hexdigest() for data in sent] == [part.sha256 for part in stored.parts]
    assert [len(data) for data in sent] == [part.size for part in stored.parts]
    opening = Opening(SegmentCipher(sold.key, sold.layout))
    assert b"".join(piece for data in sent for piece in opening.feed(data)) == sold.path.read_bytes()
    opening.end()


async def test_where_files_are_cut_leaves_no_trace(make_sold, tmp_path):
    sold = make_sold(3 * MIB + 7)
    whole = sold.path.read_bytes()
    cuts = [0, 5, MIB, MIB + 1, 2 * MIB + 100, len(whole)]
    paths = tuple(tmp_path / f"{begin}" for begin in cuts[:-1])
    for path, begin, end in zip(paths, cuts, cuts[1:], strict=False):
        path.write_bytes(whole[begin:end])
    layout = Layout(len(whole), per_part=2)
    files = LocalFiles(paths, sold.sha256, len(whole))

    one, several = [
        SealedFile(plaintext, sold.key, await seal(plaintext, key=sold.key, sha256=sold.sha256, layout=layout))
        for plaintext in (sold.file, files)
    ]

    assert several.sealed == one.sealed
    assert [await read(several, part) for part in (1, 0)] == [await read(one, part) for part in (1, 0)]


@pytest.mark.parametrize("index", [0, 1, 2])
async def test_any_file_that_is_edited_grows_or_goes_ends_both_passes(make_sold, tmp_path, index):
    whole = make_sold(3000).path.read_bytes()
    sha256 = Digest(hashlib.sha256(whole).hexdigest())
    paths = tuple(tmp_path / f"part-{part}" for part in range(3))

    def restore() -> None:
        for part, path in enumerate(paths):
            path.write_bytes(whole[part * 1000 : (part + 1) * 1000])

    files, key, layout = LocalFiles(paths, sha256, 3000), bytes(32), Layout(3000, segment=100)
    restore()
    sealed = SealedFile(files, key, await seal(files, key=key, sha256=sha256, layout=layout))
    free = FreeContent(files, sha256, 3000)
    named = "one of the 3 files from part-0 to part-2 changed since"
    for data in (bytes(1000), whole[index * 1000 : (index + 1) * 1000] + b"+"):
        paths[index].write_bytes(data)
        with pytest.raises(StalePlanError, match=named):
            await seal(files, key=key, sha256=sha256, layout=layout)
        with pytest.raises(StalePlanError, match=named):
            await files.check()
        with pytest.raises(StalePlanError, match=named):
            await read(free, 0)
        restore()
    paths[index].write_bytes(bytes(1000))
    with pytest.raises(StalePlanError, match=named):
        await read(sealed, 0)
    paths[index].unlink()
    for reading in (seal(files, key=key, sha256=sha256, layout=layout), files.check(), read(free, 0), read(sealed, 0)):
        with pytest.raises(StalePlanError, match=f"part-{index} can no longer be read") as caught:
            await reading
        assert caught.value.where == str(paths[index])


async def test_the_document_has_the_salted_digest(make_sold):
    sold = make_sold(5000)
    salted = SaltedDigest(sold.key)
    salted.update(sold.path.read_bytes())
    assert (await sold.seal()).sealed.salted == salted.value


async def test_a_part_can_be_sent_again_without_the_others(make_sold):
    stored = await make_sold(130 * MIB, sparse=True).seal()
    assert len(stored.parts) == 3
    first, again = await read(stored, 2), await read(stored, 2)
    assert first == again
    assert hashlib.sha256(first).hexdigest() == stored.parts[2].sha256


async def test_sealing_twice_gives_the_same_parts_and_another_name_gives_others(make_sold):
    sold = make_sold(5000)
    assert (await sold.seal()).sealed == (await sold.seal()).sealed
    other = await seal(sold.file, key=bytes(32), sha256=sold.sha256, layout=sold.layout)
    assert other.parts != (await sold.seal()).parts


@pytest.mark.parametrize("edit", [b"", b"short", b"x" * 5000, b"x" * 5001])
async def test_a_file_that_changed_before_it_was_sealed_is_a_stale_plan(make_sold, edit):
    sold = make_sold(5000)
    sold.path.write_bytes(edit)
    with pytest.raises(StalePlanError, match="changed since"):
        await sold.seal()


async def test_a_file_that_is_gone_is_a_stale_plan(make_sold):
    sold = make_sold(5000)
    stored = await sold.seal()
    sold.path.unlink()
    with pytest.raises(StalePlanError, match="can no longer be read"):
        await sold.seal()
    with pytest.raises(StalePlanError, match="can no longer be read"):
        await read(stored, 0)
    with pytest.raises(StalePlanError, match="can no longer be read"):
        await sold.file.check()


async def test_no_byte_of_an_edited_segment_leaves_under_a_nonce_that_was_used(make_sold):
    """Two plaintexts under one key and nonce would give their difference to whoever stores them."""
    sold = make_sold(3 * MIB)
    stored = await sold.seal()
    with sold.path.open("r+b") as file:
        file.seek(2 * MIB + 5)
        file.write(b"edited")

    chunks = stored.chunks(0)
    await anext(chunks)
    await anext(chunks)
    with pytest.raises(StalePlanError, match="changed since"):
        await anext(chunks)


async def test_a_file_that_grew_is_sent_as_it_was(make_sold):
    sold = make_sold(5000)
    stored = await sold.seal()
    with sold.path.open("ab") as file:
        file.write(b"more")
    assert hashlib.sha256(await read(stored, 0)).hexdigest() == stored.parts[0].sha256


async def test_progress_counts_plaintext(make_sold):
    sold = make_sold(100 * MIB, sparse=True)
    told = []
    await seal(sold.file, key=sold.key, sha256=sold.sha256, layout=sold.layout, progress=told.append)
    assert told == [64 * MIB, 100 * MIB]


async def test_the_event_loop_breathes_while_content_is_sealed(make_sold):
    sold = make_sold(200 * MIB, sparse=True)
    task = asyncio.create_task(sold.seal())
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > len(task.result().parts)


async def test_sealing_takes_a_few_segments_of_memory_for_any_length(make_sold):
    sold = make_sold(160 * MIB, sparse=True)
    tracemalloc.start()
    stored = await sold.seal()
    for part in range(len(stored.parts)):
        async for _ in stored.chunks(part):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * MIB


def test_hundreds_of_megabytes_are_sealed_and_sent_within_a_few(tmp_path):
    """The same of the whole process, which sees what native code allocates too."""
    script = """
import asyncio, hashlib, resource, sys
from pathlib import Path
from reconciler.content.sealing import SealedFile, seal
from reconciler.content.sources import LocalFiles
from reconciler.wire.stream_cipher import Layout, content_key

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def main(path, length):
    with path.open("wb") as file:
        file.truncate(length)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    key, layout, before = content_key(bytes(32), "a", sha256), Layout(length), peak()
    file = LocalFiles((path,), sha256, length)
    stored = SealedFile(file, key, await seal(file, key=key, sha256=sha256, layout=layout))
    sent = 0
    for part in range(layout.parts):
        async for chunk in stored.chunks(part):
            sent += len(chunk)
    assert sent == layout.sealed_length
    print(peak() - before)

asyncio.run(main(Path(sys.argv[1]), 384 << 20))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "sparse")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40 * 1024  # KiB


async def test_free_content_is_one_object_under_its_own_hash(tmp_path):
    path = tmp_path / "free.csv"
    path.write_bytes(b"a,b\n" * 600_000)
    sha256 = Digest(hashlib.sha256(path.read_bytes()).hexdigest())
    file = LocalFiles((path,), sha256, path.stat().st_size)
    await file.check()
    free = FreeContent(file, sha256, file.size)

    assert [(part.sha256, part.size) for part in free.parts] == [(sha256, file.size)]
    assert await read(free, 0) == path.read_bytes()

    path.write_bytes(b"other")
    with pytest.raises(StalePlanError, match="changed since"):
        await file.check()


def test_the_key_is_in_no_representation(make_sold):
    stored = SealedFile(make_sold(1).file, b"k" * 32, None)
    assert "kkkk" not in repr(stored)
