"""Files are whole or absent, visits are all there or not at all, and a full disk says so."""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path, PurePosixPath

import pytest

from t2disc.errors import DiskFull, OutputBusy, PermissionDenied, T2DiscError, WriteFailed
from t2disc.store import (
    MANIFEST,
    StoredFile,
    is_intact,
    is_whole,
    manifest_file,
    output_lock,
    publish_visit,
    sweep_leftovers,
    update_file,
    write_file,
)
from t2disc.store.lock import LOCK, refuse_running

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX limits and signals")


def files(*pairs: tuple[str, bytes]) -> tuple[StoredFile, ...]:
    return tuple(StoredFile(path=PurePosixPath(name), content=content) for name, content in pairs)


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


OLD = files(("anat/map.nii.gz", b"old map"), ("record.json", b"old"))
NEW = files(("anat/map.nii.gz", b"new map" * 100), ("anat/map.json", b"{}"), ("record.json", b"new"))


# ------------------------------------------------------------------------------------------------ one file
def test_a_file_is_written_with_its_folders_and_leaves_nothing_else(tmp_path):
    write_file(tmp_path / "a" / "b.txt", b"content")
    assert tree(tmp_path) == {"a/b.txt": b"content"}


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EFBIG, DiskFull),
        (errno.EACCES, PermissionDenied),
        (errno.EPERM, PermissionDenied),
        (errno.EROFS, PermissionDenied),
        (errno.EIO, WriteFailed),
    ],
)
@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_each_refusal_of_the_system_has_its_code_and_spares_the_old_file(tmp_path, monkeypatch, number, kind, step):
    target = tmp_path / "x.tsv"
    target.write_bytes(b"old")

    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number), str(tmp_path))

    owner = Path if step == "replace" else os
    monkeypatch.setattr(owner, step, refuse)
    with pytest.raises(kind) as refusal:
        write_file(target, b"new")
    monkeypatch.undo()
    assert errno.errorcode[number] in refusal.value.found
    assert str(tmp_path) not in str(refusal.value)
    assert tree(tmp_path) == {"x.tsv": b"old"}


def test_a_short_write_that_the_system_did_not_tell_is_found(tmp_path, monkeypatch):
    real = os.fstat
    monkeypatch.setattr(os, "fstat", lambda fd: os.stat_result([0] * 10) if fd > 2 else real(fd))
    with pytest.raises(WriteFailed):
        write_file(tmp_path / "x", b"new")
    monkeypatch.undo()
    assert tree(tmp_path) == {}


@posix_only
def test_a_file_size_limit_is_a_full_disk(tmp_path):
    script = """
        import resource, sys
        from pathlib import Path
        from t2disc.errors import DiskFull
        from t2disc.store import write_file
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        silent = 0
        for size in range(0, 3000, 100):
            try:
                write_file(Path(sys.argv[1]) / "x.bin", bytes(size))
                silent += size > 1000
            except DiskFull:
                silent += size <= 1000
        sys.exit(silent)
    """
    assert run(script, tmp_path).returncode == 0
    assert tree(tmp_path) == {"x.bin": bytes(1000)}


def test_an_unchanged_file_keeps_its_time(tmp_path):
    assert update_file(tmp_path / "x.tsv", b"same")
    before = (tmp_path / "x.tsv").stat().st_mtime_ns
    assert not update_file(tmp_path / "x.tsv", b"same")
    assert (tmp_path / "x.tsv").stat().st_mtime_ns == before
    assert update_file(tmp_path / "x.tsv", b"other")


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "."])
def test_a_name_that_leaves_its_folder_is_refused(path):
    with pytest.raises(T2DiscError):
        StoredFile(path=PurePosixPath(path), content=b"")


# ------------------------------------------------------------------------------------------------ one visit
def test_a_visit_is_published_with_a_manifest_that_tells_tampering(tmp_path):
    target = tmp_path / "sub-1" / "ses-1"
    assert publish_visit(target, NEW)
    assert is_intact(target, manifest_file(NEW))
    (target / "record.json").write_bytes(b"neW")
    assert not is_intact(target, manifest_file(NEW))


def test_the_manifest_does_not_depend_on_the_order_of_files():
    assert manifest_file(NEW) == manifest_file(NEW[::-1])


def test_publishing_the_same_bytes_again_touches_nothing(tmp_path):
    target = tmp_path / "sub-1" / "ses-1"
    publish_visit(target, NEW)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert not publish_visit(target, NEW)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_tampered_or_incomplete_visit_is_put_right(tmp_path):
    target = tmp_path / "sub-1" / "ses-1"
    publish_visit(target, NEW)
    whole = tree(target)
    (target / "anat" / "map.json").unlink()
    assert publish_visit(target, NEW)
    assert tree(target) == whole


def test_a_folder_that_t2disc_did_not_write_is_never_replaced(tmp_path):
    target = tmp_path / "sub-1" / "ses-1"
    target.mkdir(parents=True)
    (target / "image.dcm").write_bytes(b"raw data")
    with pytest.raises(WriteFailed):
        publish_visit(target, NEW)
    assert tree(tmp_path) == {"sub-1/ses-1/image.dcm": b"raw data"}


def test_a_refused_write_leaves_the_earlier_visit(tmp_path, monkeypatch):
    target = tmp_path / "sub-1" / "ses-1"
    publish_visit(target, OLD)
    before = tree(tmp_path)

    def refuse(*args):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DiskFull):
        publish_visit(target, NEW)
    monkeypatch.undo()
    assert tree(tmp_path) == before


KILL_AT_STEP = """
    import os, sys
    from pathlib import Path, PurePosixPath
    from t2disc.store import StoredFile, publish_visit
    out, step = Path(sys.argv[1]), int(sys.argv[2])
    count = 0
    def killing(real):
        def call(*args, **kwargs):
            global count
            count += 1
            if count == step:
                os._exit(9)
            return real(*args, **kwargs)
        return call
    os.open, os.fsync = killing(os.open), killing(os.fsync)
    Path.replace, Path.rename = killing(Path.replace), killing(Path.rename)
    names = {"anat/map.nii.gz": b"new map" * 100, "anat/map.json": b"{}", "record.json": b"new"}
    files = [StoredFile(path=PurePosixPath(name), content=content) for name, content in names.items()]
    publish_visit(out / "sub-1" / "ses-1", files)
"""


@posix_only
@pytest.mark.parametrize("earlier", [None, OLD], ids=["first run", "second run"])
def test_killed_at_any_step_a_visit_is_whole_old_or_new_or_absent(tmp_path, earlier):
    clean = tmp_path / "clean" / "sub-1" / "ses-1"
    publish_visit(clean, NEW)
    allowed = [tree(clean), {}]
    n_killed = 0
    for step in range(1, 100):
        out = tmp_path / str(step)
        target = out / "sub-1" / "ses-1"
        if earlier:
            publish_visit(target, earlier)
            allowed[1] = tree(target)
        ended = run(KILL_AT_STEP, out, str(step)).returncode
        sweep_leftovers(out)
        assert tree(target) in allowed
        assert {p.name for p in (out / "sub-1").iterdir()} <= {"ses-1"} if (out / "sub-1").exists() else True
        publish_visit(target, NEW)
        assert tree(target) == tree(clean)
        if ended == 0:
            break
        n_killed += 1
    assert n_killed >= 4 * 4  # temporary, flush, rename, folder flush of three files and the manifest


@posix_only
@pytest.mark.parametrize("link", ["sub-1", "sub-1/ses-1"])
def test_a_link_in_the_place_of_the_outputs_is_refused_and_not_followed(tmp_path, link):
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    publish_visit(elsewhere / "sub-1" / "ses-1", OLD)
    (elsewhere / "sub-1" / ".ses-2.0a1b.staged").mkdir()
    before = tree(elsewhere)
    (out / link).parent.mkdir(parents=True)
    (out / link).symlink_to(elsewhere / link)
    with pytest.raises(WriteFailed, match="symbolic link"):
        publish_visit(out / "sub-1" / "ses-1", NEW)
    sweep_leftovers(out)
    assert tree(elsewhere) == before
    assert (elsewhere / "sub-1" / ".ses-2.0a1b.staged").exists()
    assert (out / link).is_symlink()


def test_sweeping_touches_nothing_else(tmp_path):
    publish_visit(tmp_path / "sub-1" / "ses-1", NEW)
    write_file(tmp_path / ".bidsignore", b"x")
    before = tree(tmp_path)
    (tmp_path / "sub-1" / ".ses-2.0a1b.staged" / "anat").mkdir(parents=True)
    (tmp_path / ".discs.tsv.0a1b.tmp").write_bytes(b"half")
    assert sweep_leftovers(tmp_path) == 2
    assert tree(tmp_path) == before
    assert not list((tmp_path / "sub-1").glob(".*"))


def test_an_earlier_result_that_was_moved_aside_comes_back(tmp_path):
    target = tmp_path / "sub-1" / "ses-1"
    publish_visit(target, OLD)
    before = tree(target)
    target.rename(target.with_name(".ses-1.0a1b.aside"))
    sweep_leftovers(tmp_path)
    assert tree(target) == before
    assert MANIFEST in before


# ------------------------------------------------------------------------------------------------ the lock
def test_a_second_run_on_one_folder_is_refused_and_the_lock_is_freed(tmp_path):
    with output_lock(tmp_path):
        with pytest.raises(OutputBusy) as refusal, output_lock(tmp_path):
            pass
        assert refusal.value.code == "output-busy"
        assert (tmp_path / LOCK).exists()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_is_freed_when_the_run_fails(tmp_path):
    with pytest.raises(KeyboardInterrupt), output_lock(tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


DIE_HOLDING = """
    import os, sys
    from pathlib import Path
    from t2disc.store import output_lock
    with output_lock(Path(sys.argv[1])):
        os._exit(9)
"""


@posix_only
def test_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    run(DIE_HOLDING, tmp_path)
    assert (tmp_path / LOCK).exists()
    with output_lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


END_AT_A_CALL = """
    import os, sys
    from pathlib import Path
    from t2disc.store import output_lock
    count = 0
    def ending(real):
        def call(*args, **keywords):
            global count
            count += 1
            if count == int(sys.argv[2]):
                os._exit(9)
            return real(*args, **keywords)
        return call
    with_lock = output_lock(Path(sys.argv[1]))
    for name in ("open", "fdopen", "link", "unlink", "mkdir"):
        setattr(os, name, ending(getattr(os, name)))
    with with_lock:
        pass
"""


@posix_only
@pytest.mark.parametrize("is_taken_over", [False, True], ids=["a new lock", "a dead run's lock"])
def test_wherever_a_run_dies_while_it_takes_the_lock_the_next_one_gets_it(tmp_path, is_taken_over):
    for step in range(1, 100):
        out = tmp_path / str(step)
        out.mkdir()
        if is_taken_over:
            run(DIE_HOLDING, out)
        code = run(END_AT_A_CALL, out, step).returncode
        with output_lock(out):
            assert [path.name for path in out.iterdir()] == [LOCK], step
        assert list(out.iterdir()) == [], step
        if code == 0:
            break
    assert step > (8 if is_taken_over else 4)


@posix_only
def test_a_taker_that_dies_again_and_again_does_not_block_the_lock(tmp_path):
    run(DIE_HOLDING, tmp_path)
    for step in (6, 10, 14, 17):
        assert run(END_AT_A_CALL, tmp_path, step).returncode == 9
    assert list(tmp_path.glob("*.takeover"))
    with output_lock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_on_a_disk_without_links_the_lock_is_made_in_place(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    with output_lock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]
        with pytest.raises(OutputBusy), output_lock(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_without_an_owner_is_being_written_or_its_writer_has_died(tmp_path):
    lock = tmp_path / LOCK
    lock.touch()
    with pytest.raises(OutputBusy), output_lock(tmp_path):
        pass
    assert lock.exists()
    os.utime(lock, (time.time() - 60,) * 2)
    with output_lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


HOSTILE = {
    "pid -1": b'{"pid": -1, "machine": "M", "token": "a"}',
    "pid 0": b'{"pid": 0, "machine": "M", "token": "a"}',
    "pid too large": b'{"pid": 99999999999999999999, "machine": "M", "token": "a"}',
    "pid infinite": b'{"pid": 1e999, "machine": "M", "token": "a"}',
    "token with a path": b'{"pid": 1, "machine": "another machine", "token": "../x"}',
    "long token": b'{"pid": 1, "machine": "another machine", "token": "' + b"x" * 999 + b'"}',
    "no text": b"\xff\xfe",
    "deep": b"[" * 4000,
    "pipe": None,
}


@posix_only
@pytest.mark.parametrize("name", [LOCK, ".t2disc.shard-x-1-of-2.lock"])
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_lock_that_none_of_ours_can_be_counts_for_a_while_and_is_taken_over(tmp_path, name, content):
    lock = tmp_path / name
    if content is None:
        os.mkfifo(lock)
    else:
        lock.write_bytes(content.replace(b'"M"', json.dumps(platform.node()).encode()))
    with pytest.raises(OutputBusy), output_lock(tmp_path):
        pass
    with pytest.raises(OutputBusy):
        refuse_running(tmp_path)
    os.utime(lock, (time.time() - 60,) * 2)
    refuse_running(tmp_path)
    with output_lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [LOCK, ".t2disc.shard-x-1-of-2.lock"])
def test_a_folder_in_the_place_of_a_lock_is_named(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(WriteFailed, match=f"delete the folder {re.escape(name)}"), output_lock(tmp_path):
        pass
    with pytest.raises(WriteFailed, match=re.escape(name)):
        refuse_running(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_lock_of_another_machine_is_respected(tmp_path):
    (tmp_path / LOCK).write_text('{"pid": 1, "machine": "another machine", "token": "x"}')
    with pytest.raises(OutputBusy), output_lock(tmp_path):
        pass


@posix_only
def test_of_many_runs_that_find_a_stale_lock_one_at_a_time_gets_it(tmp_path):
    run(DIE_HOLDING, tmp_path)
    script = """
        import os, sys, time
        from pathlib import Path
        from t2disc.errors import OutputBusy
        from t2disc.store import output_lock
        out = Path(sys.argv[1])
        try:
            with output_lock(out):
                os.close(os.open(out / "inside", os.O_CREAT | os.O_EXCL))
                time.sleep(0.3)
                (out / "inside").unlink()
        except OutputBusy:
            sys.exit(4)
    """
    started = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]) for _ in range(6)]
    codes = [process.wait() for process in started]
    assert set(codes) <= {0, 4}
    assert 0 in codes
    assert list(tmp_path.iterdir()) == []


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True)


# ------------------------------------------------------------------------------------------------ what stays the same
def test_of_a_visit_that_changed_only_the_files_that_changed_are_written(tmp_path):
    target = tmp_path / "sub-1" / "ses-1"
    publish_visit(target, NEW)
    kept = (target / "anat" / "map.nii.gz").stat()
    written = publish_visit(target, [*NEW[:2], *files(("record.json", b"another"))])
    assert [str(path) for path in written] == ["record.json", MANIFEST]
    now = (target / "anat" / "map.nii.gz").stat()
    assert (now.st_ino, now.st_mtime_ns, now.st_nlink) == (kept.st_ino, kept.st_mtime_ns, 1)
    assert (target / "record.json").read_bytes() == b"another"


def test_on_a_disk_without_links_a_file_that_stays_the_same_keeps_its_time(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EPERM, "no links here")

    target = tmp_path / "sub-1" / "ses-1"
    publish_visit(target, NEW)
    before = (target / "anat" / "map.nii.gz").stat().st_mtime_ns
    monkeypatch.setattr(os, "link", refuse)
    publish_visit(target, [*NEW[:2], *files(("record.json", b"another"))])
    assert (target / "anat" / "map.nii.gz").stat().st_mtime_ns == before
    assert (target / "anat" / "map.nii.gz").read_bytes() == NEW[0].content
    assert is_whole(target)


@posix_only
@pytest.mark.parametrize("link", ["anat", "anat/map.nii.gz"])
def test_a_link_among_a_visits_files_is_replaced_and_never_taken_over(tmp_path, link):
    target, elsewhere = tmp_path / "sub-1" / "ses-1", tmp_path / "elsewhere"
    publish_visit(target, NEW)
    (target / link).rename(elsewhere)
    (target / link).symlink_to(elsewhere)
    publish_visit(target, [*NEW[:2], *files(("record.json", b"another"))])
    assert not [path for path in target.rglob("*") if path.is_symlink()]
    assert {path.stat().st_nlink for path in target.rglob("*") if path.is_file()} == {1}
    assert elsewhere.exists()


@pytest.mark.parametrize("manifest", [b"", b"[]", b"3", b"{}", b'{"files": [3]}', b"\xff", b"[" * 100_000])
def test_a_folder_is_whole_only_with_a_manifest_that_lists_its_files(tmp_path, manifest):
    target = tmp_path / "sub-1" / "ses-1"
    assert not is_whole(target)
    publish_visit(target, NEW)
    assert is_whole(target)
    (target / MANIFEST).write_bytes(manifest)
    assert not is_whole(target)


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_a_folder_with_a_file_changed_missing_or_added_is_not_whole(tmp_path, damage):
    target = tmp_path / "sub-1" / "ses-1"
    publish_visit(target, NEW)
    path = target / "record.json"
    if damage == "missing":
        path.unlink()
    else:
        (path if damage == "changed" else path.with_name("other.json")).write_bytes(b"neW")
    assert not is_whole(target)


@posix_only
@pytest.mark.parametrize("link", ["sub-1", "sub-1/ses-1"])
def test_a_folder_behind_a_link_is_not_taken_for_whole(tmp_path, link):
    publish_visit(tmp_path / "elsewhere" / "sub-1" / "ses-1", NEW)
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / "elsewhere" / link)
    assert not is_whole(tmp_path / "sub-1" / "ses-1")
