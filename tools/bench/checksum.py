"""The checksum of stores, by the library that the programs use."""

import ctypes

import numpy as np

CRC32_ISCSI = ctypes.CDLL("libisal.so.2").crc32_iscsi


def crc32c(array):
    """The CRC-32C of the bytes of an array, at most 2 GiB, as `io/crc32c.hpp` computes it."""
    data = np.ascontiguousarray(array)
    return ~CRC32_ISCSI(ctypes.c_void_p(data.ctypes.data), data.nbytes, 0xFFFFFFFF) & 0xFFFFFFFF
