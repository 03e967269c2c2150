"""What is in a store, also while it is written, and bytes that flip."""

import time

import h5py


def arrays(path):
    with h5py.File(path, locking=False) as file:
        return {name: file[name][:] for name in ("layers", "starts", "original", "block_starts", "block_records", "states")}


def same(found, expected):
    return all(found[name].tobytes() == expected[name].tobytes() for name in expected)


def blocks_written(path):
    """Blocks that a store bears marks of, also while it is written; 0 before it is there."""
    if not path.exists():
        return 0
    with h5py.File(path, locking=False) as file:
        return int((file["block_records"][:, 0] == 1).sum())


def wait_for_blocks(process, path, count):
    until = time.monotonic() + 60
    while blocks_written(path) < count and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)


def states_at(path):
    with h5py.File(path) as file:
        return file["states"].id.get_offset(), file["states"].shape


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))
