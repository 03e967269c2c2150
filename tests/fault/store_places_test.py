"""Stores under other names, on other disks and in other folders than their writer expects: no writer disturbs another, and no store
is lost for one that cannot be written."""

import fcntl
import os
import shutil
import stat

import bv
import pytest
from made_store import arrays, flip, same, states_at, wait_for_blocks

COMPUTE = ["--device", "cpu", "--threads", 1]


def refusal(*command, ranks=None):
    found = bv.run(*command, ranks=ranks, check=False)
    errors = bv.error_lines(found.stderr)
    assert found.rc == 2 and len(errors) == 1, found.stderr
    return errors[0]


def test_a_stopped_extraction_with_force_goes_on(flags, whole, undisturbed):
    """Else a scheduler that starts it again would never see its end. A complete store is replaced."""
    bv.run("bv_extract", *flags, "--layers", 1, "--store", whole, "--force")
    assert arrays(whole)["states"].shape[0] == 1
    whole.unlink()
    process = bv.start("bv_extract", *flags, "--force", "--store", whole, ranks=1)
    wait_for_blocks(process, whole, 3)
    bv.tell_to_stop(process)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 85 and "start the same command again" in text, text
    found = arrays(whole)
    left = int((found["block_records"][:, 0] != 1).sum())
    last = bv.run("bv_extract", *flags, "--force", "--store", whole)
    assert f"finishing {whole}: {left} of its {len(found['block_records'])} blocks" in last.stderr
    assert same(arrays(whole), undisturbed)


def test_a_store_is_not_removed_for_one_that_does_not_fit(flags, mounted, tmp_path):
    store = mounted("tmpfs", 24) / "store.h5"
    bv.run("bv_extract", *flags, "--layers", 1, "--store", store)
    room = store.stat().st_blocks * 512 + 200_000
    bv.run_command(["mount", "-o", f"remount,size={room}", store.parent])
    before = bv.digest(store)
    larger = ["float32" if word == "float16" else word for word in flags]
    assert f"cannot replace {store}: the new states take" in refusal("bv_extract", *larger, "--store", store, "--force")
    assert bv.digest(store) == before


def test_a_file_system_that_reserves_no_space_can_be_repaired(whole, mounted, undisturbed):
    """ext2 is one, as are some network file systems. The store is on the disk already: that much need not be free once more."""
    offset, _ = states_at(whole)
    size = whole.stat().st_size
    store = mounted("ext2", 24) / "store.h5"
    shutil.copy(whole, store)
    ballast = store.with_name("ballast")
    with open(ballast, "wb", buffering=0) as file:
        free = os.statvfs(store.parent).f_bavail * os.statvfs(store.parent).f_bsize
        file.write(bytes(free - size // 2))
    flip(store, offset + 5)
    bv.run("bv_store", "repair", store, *COMPUTE)
    assert same(arrays(store), undisturbed)
    ballast.unlink()
    os.truncate(store, offset + (size - offset) // 2)
    bv.run("bv_store", "repair", store, *COMPUTE)
    assert same(arrays(store), undisturbed)


def test_the_error_about_a_store_cut_short_names_repair(flags, whole):
    os.truncate(whole, whole.stat().st_size - 4096)
    assert "bv_store repair keeps its whole blocks" in refusal("bv_extract", *flags, "--store", whole)
    whole.write_bytes(b"no store")
    assert "bv_store repair" not in refusal("bv_extract", *flags, "--store", whole)


@pytest.mark.parametrize("program", ["bv_extract", "bv_store"])
def test_a_link_to_a_store_has_its_lock(flags, whole, program):
    link = whole.with_name("link.h5")
    link.symlink_to(whole)
    command = {"bv_extract": [*flags, "--store", link], "bv_store": ["repair", link, *COMPUTE]}[program]
    with open(f"{whole}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "is being written by another process" in refusal(program, *command)
    assert not link.with_name("link.h5.lock").exists()


def test_the_lock_of_a_dead_writer_is_open_to_its_group(flags, tmp_path):
    store = tmp_path / "store.h5"
    before = os.umask(0o002)
    try:
        process = bv.start("bv_extract", *flags, "--store", store, ranks=1)
        wait_for_blocks(process, store, 1)
        for pid in bv.ranks_of(process):
            os.kill(pid, 9)
        process.communicate(timeout=60)
    finally:
        os.umask(before)
    mode = (tmp_path / "store.h5.lock").stat().st_mode
    assert stat.S_IMODE(mode) == 0o664


@pytest.mark.parametrize("there", [True, False])
def test_ranks_that_do_not_share_the_folder_are_refused(flags, whole, tmp_path, there):
    """A folder of a node's own disk: each rank would write its blocks into a file of its own."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        if there:
            shutil.copy(whole, folder / "own.h5")
    command = []
    for folder in folders:
        command += [":"] * bool(command) + ["-n", 1, "--wdir", folder, bv.BIN / "bv_extract", *flags, "--store", "own.h5"]
    found = bv.run_command([*bv.mpirun(1), *command[2:]], check=False, timeout=60)
    errors = bv.error_lines(found.stderr)
    assert found.rc == 2 and len(errors) == 1, found.stderr
    assert "rank 1 on host" in errors[0] and "own.h5" in errors[0] and "folder that all ranks share" in errors[0]
    for folder in folders if there else ():
        assert bv.digest(folder / "own.h5") == bv.digest(whole)
