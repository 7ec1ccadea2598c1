"""Base-128 numbers, protobuf's varints, as NumPy array work: where they lie among other bytes, and what they say.

A number has seven bits in each byte, the lowest first; every byte but the last has the top bit set. A negative number
is written as 64 bits wide whatever its type, which makes ten bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from smrt_jupyter.tables import Array

VARINT_BITS = 7
VARINT_BYTES = 10
LAST_OF_VARINT = 0x7F
_LOW = np.uint8(0x7F)
_BLOCK_NUMBERS = 1 << 13


def windows(octets: Array, size: int) -> Array:
    """See bytes as overlapping items: the one at each place is the `size` bytes that start there.

    One item is copied in the time of a few single bytes, and needs one place instead of one for each byte.

    Parameters
    ----------
    octets : ndarray of uint8
        Contiguous.
    size : int
        At least 1, at most as many as there are bytes.

    Returns
    -------
    ndarray of void
        A view of `octets`.
    """
    return np.ndarray((len(octets) - size + 1,), f"V{size}", octets, strides=(1,))


# --- writing ---------------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """Write one number.

    Parameters
    ----------
    value : int
        Not negative.

    Returns
    -------
    bytes
    """
    out = bytearray()
    while value >> VARINT_BITS:
        out.append(value & 0x7F | 0x80)
        value >>= VARINT_BITS
    out.append(value)
    return bytes(out)


def varint_sizes(values: Array) -> Array:
    """Tell how many bytes each number needs.

    Parameters
    ----------
    values : ndarray of signed integers

    Returns
    -------
    ndarray of uint8

    Examples
    --------
    >>> varint_sizes(np.array([0, 127, 128, -1])).tolist()
    [1, 1, 2, 10]
    """
    sizes = np.ones(values.shape, np.uint8)
    for bits in range(VARINT_BITS, int(values.max(initial=0)).bit_length(), VARINT_BITS):
        sizes += values >= 1 << bits
    if values.min(initial=0) < 0:
        sizes += (values < 0).view(np.uint8) * np.uint8(VARINT_BYTES - 1)
    return sizes


def lay_varints(out: Array, places: Array, values: Array, sizes: Array) -> None:
    """Write numbers among other bytes.

    Parameters
    ----------
    out : ndarray of uint8
        Filled with 0xFF: most bytes of a negative number are just that, and stay as they are.
    places : ndarray of intp
        Where each number starts.
    values : ndarray of signed integers
    sizes : ndarray of uint8
        What `varint_sizes` tells of them.
    """
    lowest, largest = int(values.min(initial=0)), int(values.max(initial=0))
    planes = max(1, -(-max(largest, ~lowest).bit_length() // VARINT_BITS))
    # Nothing here is written for some of the numbers only: to pick them takes longer than to write them all. So the
    # last byte of the negative ones comes first, and then from the last byte to the first, where a number that is
    # shorter writes its own last byte again and again, with the right one in the end.
    if lowest < 0:
        out[places + (sizes - np.uint8(1))] = 1
    columns = []
    for plane in range(planes):
        more = sizes > plane + 1
        octets = (values >> values.dtype.type(VARINT_BITS * plane)).astype(np.uint8) & _LOW
        columns.append((places, octets | more.view(np.uint8) << np.uint8(VARINT_BITS)))
        places = places + more
    for at, octets in reversed(columns):
        out[at] = octets


# --- reading ---------------------------------------------------------------------------------------------------------


def varint_stops(octets: Array) -> Array:
    """Find where the numbers of a packed run end.

    Parameters
    ----------
    octets : ndarray of uint8
        Nothing but numbers.

    Returns
    -------
    ndarray of intp
        One behind the last byte of each.
    """
    stops = np.flatnonzero(octets <= LAST_OF_VARINT)
    stops += 1
    return stops


def read_varints(octets: Array, stops: Array, dtype: np.dtype[Any]) -> Array | None:
    """Read packed numbers; in blocks, because the work needs many times their bytes.

    Parameters
    ----------
    octets : ndarray of uint8
        Nothing but numbers.
    stops : ndarray of intp
        What `varint_stops` finds in it.
    dtype : dtype
        Of unsigned integers; whatever a number has above it is left out, as protobuf does.

    Returns
    -------
    ndarray of that dtype, or None
        None where a number is longer than 10 bytes.
    """
    out = np.empty(len(stops), dtype)
    for first in range(0, len(stops), _BLOCK_NUMBERS):
        block = stops[first : first + _BLOCK_NUMBERS]
        sizes = np.diff(block, prepend=stops[first - 1] if first else 0)
        longest = int(sizes.max())
        if longest > VARINT_BYTES:
            return None
        starts = block - sizes
        planes = min(longest, -(-dtype.itemsize * 8 // VARINT_BITS))
        values = (octets[starts] & _LOW).astype(dtype)
        for plane in range(1, planes):
            # Behind a number that is shorter stand the bytes of the next one.
            part = octets.take(starts + plane, mode="clip") & _LOW
            part *= sizes > plane
            values |= part.astype(dtype) << dtype.type(VARINT_BITS * plane)
        out[first : first + len(block)] = values
    return out
