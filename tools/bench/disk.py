"""Moves files in and out of the kernel's memory, and slows a disk down."""

import ctypes
import mmap
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from programs import BenchError

PIECE = 16 << 20
READERS = 4  # as many as bv_train has
PATIENCE = 10  # seconds for the kernel to give a file's pages up


class SlowDisk:
    """A control group of the kernel (version 1: blkio) that limits the rate of the disk of a folder."""

    def __init__(self, folder, bytes_per_second):
        root = Path("/sys/fs/cgroup/blkio")
        if not os.access(root, os.W_OK):
            raise BenchError(f"--throttle needs the right to make control groups in {root}")
        device = os.stat(folder).st_dev
        self.place = root / f"bench-{os.getpid()}"
        self.place.mkdir()
        for kind in ("read", "write"):
            (self.place / f"blkio.throttle.{kind}_bps_device").write_text(
                f"{os.major(device)}:{os.minor(device)} {int(bytes_per_second)}")

    def inside(self, command):
        """The command line that runs a command in the group."""
        return ["sh", "-c", f'echo $$ > {self.place}/cgroup.procs && exec "$@"', "sh", *command]

    def close(self):
        self.place.rmdir()


def drop_from_memory(path):
    """Removes the file from the kernel's memory, so that the next reader waits for the disk. The kernel keeps pages that are in
    use for a moment, so this asks again; BenchError if more than a hundredth of the file is still there after some seconds."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())  # data that are not on the disk yet would stay in memory
        end = time.monotonic() + PATIENCE
        while True:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            kept = share_in_memory(file)
            if kept <= 0.01:
                return
            if time.monotonic() > end:
                raise BenchError(f"{path}: the kernel keeps {kept:.0%} of this file in memory, so a read from the disk cannot be timed")
            time.sleep(0.1)


def share_in_memory(file):
    """The share of a file's pages that the kernel holds in memory (mincore)."""
    size = os.fstat(file.fileno()).st_size
    pages = np.empty(-(-size // mmap.PAGESIZE), np.uint8)
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as mapped:
        view = np.frombuffer(mapped, np.uint8)
        failed = ctypes.CDLL(None, use_errno=True).mincore(
            ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(size), pages.ctypes.data_as(ctypes.c_void_p))
        del view  # a mapping in use cannot be closed
    if failed:
        raise OSError(ctypes.get_errno(), "mincore")
    return float((pages & 1).mean())


def read_through(path):
    """Reads the file in large pieces and drops them, so that the kernel keeps the file in memory if there is room."""
    with open(path, "rb") as file, ThreadPoolExecutor(READERS) as readers:
        for _ in readers.map(lambda start: len(os.pread(file.fileno(), PIECE, start)), range(0, path.stat().st_size, PIECE)):
            pass


def timed_read(path):
    """The rate of plain calls that read the file."""
    began = time.monotonic()
    read_through(path)
    seconds = time.monotonic() - began
    return dict(seconds=seconds, bytes_per_second=path.stat().st_size / seconds)
