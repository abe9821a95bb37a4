"""Reads and writes safetensors files with nothing but numpy (Debian has no safetensors package).

The format: 8 bytes little-endian length of the header, the header as JSON (name -> dtype, shape, [begin, end) in the bytes that
follow; "__metadata__": strings), then the tensors' bytes without gaps. The C++ reader turns F32 and F16 into float; our files hold nothing else but counters.
"""
import json
import pathlib
import struct

import numpy as np

DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "F16": np.dtype("<f2"), "I64": np.dtype("<i8"), "U8": np.dtype("u1")}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write(path, tensors, metadata=None):
    """Writes {name: array} in the order given; metadata is {string: string}. Equal arguments give equal bytes."""
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    header, end = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(np.shape(tensors[name])), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the tensors start aligned
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(array.tobytes())


def read(path):
    """Returns ({name: array}, metadata)."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"]).copy()
    return tensors, metadata
