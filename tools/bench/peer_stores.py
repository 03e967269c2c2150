#!/usr/bin/env python3
"""Other stores of the same states, each as its documentation recommends, read in a given order behind a PyTorch DataLoader.

`write` copies the states of an embedding store. In each of these stores the features stand in the order of the embedding store,
one after the other, each with its states (L, T, H) in one piece; nothing is compressed, because float16 states hardly shrink.
So a shuffled order is as near on the disk for all.

`read` reads all features once, in the order of a file (.npy) of positions, in batches of 16, which it puts together as heads
read them: (L, N, H), float16. Every worker opens the store for itself. Prints {"bytes", "seconds"}; the time begins when the
workers have opened the store. With --check prints also "checksums": the CRC-32C of each feature's states, in the order in
which they came.

example:
  peer_stores.py write h5py states.h5 FOLDER && peer_stores.py read h5py states.h5 FOLDER --order order.npy --workers 2
"""
import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import torch
from checksum import crc32c
from torch.utils.data import DataLoader, Dataset, get_worker_info

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from read_store import Store

BATCH = 16  # as store_probe has it
# Torch only reads them, to put a batch together.
warnings.filterwarnings("ignore", message="The given (NumPy array|buffer) is not writable")


class Peer(Dataset):
    """A store whose items are the states (L, T, H) of the feature at a position. `package` is what it needs."""

    start = "fork"  # how its workers start

    def __init__(self, folder, store):
        self.folder = Path(folder)
        self.layers, _, self.hidden = store.file["states"].shape
        self.bounds = store.starts * self.layers * self.hidden  # first element of each feature

    def __len__(self):
        return len(self.bounds) - 1

    def __getitem__(self, position):
        return self.shaped(self.elements(*self.bounds[position : position + 2]))

    def shaped(self, elements):
        return torch.from_numpy(elements).view(self.layers, -1, self.hidden)

    def features(self, states):
        """The elements of each feature in turn."""
        return (states[first:last] for first, last in zip(self.bounds[:-1], self.bounds[1:]))


class Memmap(Peer):
    """One .npy file with all elements, mapped into memory."""

    package = "numpy"

    def write(self, states):
        np.save(self.folder / "states.npy", states)

    def open(self):
        self.states = np.load(self.folder / "states.npy", mmap_mode="r")

    def elements(self, first, last):
        return self.states[first:last]


class Zarr(Peer):
    """One array of format 3 in shards. The documentation advises chunks of a megabyte at least, for compressed arrays, and
    sharding where chunks are small. A feature takes about a megabyte at any place, so that such chunks would double what is
    read: chunks have half a megabyte."""

    package = "zarr"
    chunk = 2**18  # elements
    shard = 128 * chunk  # 64 MiB

    def write(self, states):
        import zarr
        array = zarr.create_array(store=str(self.folder / "states.zarr"), shape=states.shape, chunks=(self.chunk,),
                                  shards=(self.shard,), dtype=states.dtype, compressors=None)
        array[:] = states

    def open(self):
        import zarr
        self.states = zarr.open_array(str(self.folder / "states.zarr"), mode="r")

    def elements(self, first, last):
        return self.states[first:last]


class Lance(Peer):
    """A row for each feature, in a column of large binaries. A batch is one `take`, as in `lance.torch.data.SafeLanceDataset`,
    but without its copies into Python's objects. Workers are spawned, because Lance must not be forked. Compression is Lance's
    default; it is off here."""

    package = "lance"
    start = "spawn"

    def write(self, states):
        import lance
        import pyarrow
        plain = {"lance-encoding:compression": "none"}
        schema = pyarrow.schema([pyarrow.field("states", pyarrow.large_binary(), metadata=plain)])
        rows = (pyarrow.record_batch([pyarrow.array([one.tobytes()], pyarrow.large_binary())], schema)
                for one in self.features(states))
        lance.write_dataset(rows, str(self.folder / "states.lance"), schema)

    def open(self):
        import lance
        self.states = lance.dataset(str(self.folder / "states.lance"))

    def __getitems__(self, positions):
        if not positions:
            return []
        rows = self.states.take(positions, columns=["states"])["states"]
        return [self.shaped(np.frombuffer(row.as_buffer(), np.float16)) for row in rows]


class Streaming(Peer):
    """Shards of 64 MB of MDSWriter, with a sample for each feature. They are read by LocalDataset, which takes any order.
    StreamingDataset reads the same shards by the same reader, but in its own orders."""

    package = "streaming"

    def write(self, states):
        from streaming import MDSWriter
        with MDSWriter(out=str(self.folder / "states.mds"), columns={"states": "ndarray:float16"}) as out:
            for one in self.features(states):
                out.write({"states": one})

    def open(self):
        from streaming import LocalDataset
        self.states = LocalDataset(str(self.folder / "states.mds"))

    def __getitem__(self, position):
        return self.shaped(self.states[position]["states"])


class Chunked(Peer):
    """One dataset of chunks. The documentation advises 10 KiB to 1 MiB: here 128 KiB, so that little is read beside a feature."""

    package = "h5py"
    chunk = 2**16  # elements

    def write(self, states):
        with h5py.File(self.folder / "states.h5", "w") as file:
            file.create_dataset("states", data=states, chunks=(min(self.chunk, len(states)),))

    def open(self):
        self.states = h5py.File(self.folder / "states.h5")["states"]

    def elements(self, first, last):
        return self.states[first:last]


PEERS = {"numpy memmap": Memmap, "zarr": Zarr, "Lance": Lance, "MosaicML Streaming": Streaming, "h5py": Chunked}


def packed(features):
    """The batch (L, N, H). A worker puts it together in shared memory, as PyTorch's default_collate does, which saves a copy."""
    if not features:
        return None
    out = None
    if get_worker_info() is not None:
        layers, _, hidden = features[0].shape
        rows = sum(one.shape[1] for one in features)
        storage = features[0]._typed_storage()._new_shared(layers * rows * hidden)
        out = features[0].new(storage).resize_(layers, rows, hidden)
    return torch.cat(features, dim=1, out=out)


def open_in_worker(_):
    get_worker_info().dataset.open()


def read(peer, order, workers, check):
    batches = [[]] * workers  # the first epoch only starts the workers
    loader = DataLoader(peer, batch_sampler=batches, num_workers=workers, collate_fn=packed, worker_init_fn=open_in_worker,
                        persistent_workers=workers > 0, multiprocessing_context=peer.start if workers else None)
    if not workers:
        peer.open()
    for _ in loader:
        pass
    batches[:] = [order[first : first + BATCH] for first in range(0, len(order), BATCH)]
    found, checksums = 0, []
    began = time.perf_counter()
    for batch, positions in zip(loader, batches):
        found += batch.nbytes
        if check:
            rows = [int(peer.bounds[at + 1] - peer.bounds[at]) // (peer.layers * peer.hidden) for at in positions]
            checksums += [crc32c(one.numpy()) for one in batch.split(rows, dim=1)]
    return dict(bytes=found, seconds=time.perf_counter() - began, **(dict(checksums=checksums) if check else {}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    writing = actions.add_parser("write", help="copy the states of an embedding store")
    reading = actions.add_parser("read", help="read all features in a given order")
    for action in (writing, reading):
        action.add_argument("peer", choices=PEERS)
        action.add_argument("store", help="the embedding store of float16 states")
        action.add_argument("folder", type=Path, help="folder of the peer's own store")
    reading.add_argument("--order", required=True, help="positions of the features, .npy")
    reading.add_argument("--workers", type=int, default=0, help="number of further processes that read [%(default)s]")
    reading.add_argument("--check", action="store_true", help="print checksums of what was read")
    options = parser.parse_args()
    store = Store(options.store)
    peer = PEERS[options.peer](options.folder, store)
    if options.action == "write":
        options.folder.mkdir()
        peer.write(np.concatenate([store.states(feature).ravel() for feature in store.original]))
        return
    store.file.close()  # workers must not inherit it
    print(json.dumps(read(peer, np.load(options.order).tolist(), options.workers, options.check)))


if __name__ == "__main__":
    main()
