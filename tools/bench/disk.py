"""Moves files in and out of the kernel's memory, and slows a disk down."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from programs import BenchError

PIECE = 16 << 20
READERS = 4  # as many as bv_train has


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
    """Removes the file from the kernel's memory, so that the next reader waits for the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())  # data that are not on the disk yet would stay in memory
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_through(path):
    """Reads the file in large pieces and drops them, so that the kernel keeps the file in memory if there is room."""
    with open(path, "rb") as file, ThreadPoolExecutor(READERS) as readers:
        for _ in readers.map(lambda start: len(os.pread(file.fileno(), PIECE, start)), range(0, path.stat().st_size, PIECE)):
            pass
