#!/usr/bin/env python3
"""Reads embedding stores of bv_extract (format: src/store/FORMAT.md).

    store = Store("epoch-0.3-dev.h5")
    store.states(17)         # (L, T, H): all states of feature 17 of the features file
    store.states(17, -1)     # (T, H): only the last state; no other bytes are read

It does not compare states and tables with their checksums; `bv_store verify` does.

As a program, prints the content of a store in a few words: read_store.py FILE. With --blocks it prints two numbers: the blocks that
are written, and all blocks.
"""

import argparse

import h5py
import numpy

FORMAT = "bertvision-store"
VERSION = 3


def from_float8(rows):
    """Rows of float8 (..., 4 + H) in uint8 as float32 (..., H): each number is its e4m3 times the scale in front of the row."""
    scales = numpy.ascontiguousarray(rows[..., :4]).view("<f4")
    parts = (rows[..., 4:].view("i1").astype("<i2") << 7 & ~0x4000).view("<f2")  # the bits of e4m3 in float16 mean 1/256
    return parts.astype("f4") * (256 * scales)


class Store:
    """An embedding store. float16 and float32 states keep their type; bfloat16 and float8 states become float32."""

    def __init__(self, path):
        self.file = h5py.File(path, "r", locking=False)
        attributes = {name: value.decode() if isinstance(value, bytes) else value for name, value in self.file.attrs.items()}
        if attributes.get("format") != FORMAT:
            raise ValueError(f'{path} is no embedding store: it has no attribute format = "{FORMAT}"')
        if attributes.get("version") != VERSION:
            raise ValueError(f"{path} is a store of version {attributes.get('version')}; this program reads version {VERSION}")
        self.task = attributes["task"]
        self.dtype = attributes["dtype"]
        self.epoch = attributes["epoch"]
        self.checkpoint = attributes["checkpoint"]
        self.features_fingerprint = attributes["features_fingerprint"]
        self.config = attributes["config"]
        self.layers = self.file["layers"][:]
        self.starts = self.file["starts"][:]
        self.original = self.file["original"][:]
        self.position = numpy.argsort(self.original)  # position of each feature in the store
        self.block_starts = self.file["block_starts"][:]

    def __len__(self):
        """The number of features."""
        return len(self.original)

    @property
    def written(self):
        """(B) bool: whether each block is written. In a block that is not written the states mean nothing."""
        return self.file["block_records"][:, 0] == 1

    @property
    def complete(self):
        """Whether all blocks are written."""
        return bool(self.written.all())

    def states(self, feature, state=slice(None)):
        """The states of a feature, by its index in the features file: (L, T, H); classification: (L + 1, 1, H), pooled
        output first. `state` picks some: an index gives (T, H), a slice fewer states. An index counts the states of this store, not
        the layers of BERT. Raises IndexError for one that the store lacks, ValueError if the states were never written."""
        position = self.position[feature]
        block = numpy.searchsorted(self.block_starts, position, side="right") - 1
        if self.file["block_records"][block, 0] != 1:
            raise ValueError(f"{self.file.filename} has no states of feature {feature} yet; bv_extract or bv_store repair writes them")
        rows = slice(self.starts[position], self.starts[position + 1])
        states = self.file["states"]
        if isinstance(state, (int, numpy.integer)):
            state = range(states.shape[0])[state]  # raises IndexError; h5py itself would count from the end twice
        found = states[state, rows]
        return from_float8(found) if self.dtype == "float8" else found


def main():
    parser = argparse.ArgumentParser(description="Says what is in an embedding store.")
    parser.add_argument("store")
    parser.add_argument("--blocks", action="store_true", help="print the number of written blocks and the number of all blocks")
    options = parser.parse_args()
    store = Store(options.store)
    if options.blocks:
        print(store.written.sum(), len(store.written))
        return
    states, rows, hidden = store.file["states"].shape
    if store.dtype == "float8":
        hidden -= 4
    print(f"task {store.task}, epoch {store.epoch}, {store.dtype}, {'complete' if store.complete else 'INCOMPLETE'}")
    print(f"features: {len(store)}, rows: {rows}, states: {states} of {hidden} numbers (layers {store.layers.tolist()})")


if __name__ == "__main__":
    main()
