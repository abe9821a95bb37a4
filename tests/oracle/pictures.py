"""Random pictures with structure (a smooth shape per class, a smooth shape of their own, grain), and data set files made of them.

Pure noise would make every picture look the same after the first pooling, and training on it drifts chaotically within a few steps.
"""
import gzip
import pathlib
import struct

import numpy as np


def random_pictures(rng, labels, channels, size):
    """uint8 pictures [len(labels), channels, size, size]."""
    coarse = 5  # knots per axis, interpolated linearly
    position = np.linspace(0, coarse - 1, size)
    stretch = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(coarse)))  # [size, coarse]
    knots = rng.uniform(-60, 60, (max(labels) + 1, channels, coarse, coarse))[labels]
    knots += rng.uniform(-40, 40, knots.shape) + rng.uniform(90, 160, (len(labels), 1, 1, 1))
    pictures = (stretch @ knots.astype(np.float32) @ stretch.T).astype(np.int16)
    pictures += rng.integers(-12, 13, pictures.shape, np.int8)
    return np.clip(pictures, 0, 255).astype(np.uint8)


def write_cifar10(directory, rng):
    """A directory in CIFAR-10's binary layout: records of a label byte and the planes R, G, B. Returns ((pictures, labels) train, test)."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    labels = rng.integers(0, 10, 60_000, np.uint8)
    images = random_pictures(rng, labels, 3, 32)
    records = np.concatenate([labels[:, None], images.reshape(len(labels), -1)], axis=1)
    for i, name in enumerate([f"data_batch_{n}.bin" for n in range(1, 6)] + ["test_batch.bin"]):
        records[i * 10_000 : (i + 1) * 10_000].tofile(directory / name)
    (directory / "batches.meta.txt").write_text("".join(f"class{n}\n" for n in range(10)))
    return (images[:50_000], labels[:50_000]), (images[50_000:], labels[50_000:])


def read_cifar10(directory):
    """((pictures [N, 3, 32, 32], labels) of the training records in order, the same of the test records)."""
    def read(names):
        records = np.concatenate([np.fromfile(pathlib.Path(directory) / name, np.uint8).reshape(-1, 3073) for name in names])
        return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]
    return read([f"data_batch_{n}.bin" for n in range(1, 6)]), read(["test_batch.bin"])


def write_fashion_mnist(directory, rng):
    """A directory with the four gzipped IDX files of Fashion-MNIST. Returns ((pictures, labels) train, test)."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    labels = rng.integers(0, 10, 70_000, np.uint8)
    images = random_pictures(rng, labels, 1, 28)
    parts = (images[:60_000], labels[:60_000]), (images[60_000:], labels[60_000:])
    for prefix, (pixels, classes) in zip(("train", "t10k"), parts):
        for kind, header, data in (("images-idx3", (0x803, len(pixels), 28, 28), pixels), ("labels-idx1", (0x801, len(classes)), classes)):
            with gzip.open(directory / f"{prefix}-{kind}-ubyte.gz", "wb", compresslevel=1) as file:
                file.write(struct.pack(f">{len(header)}I", *header) + data.tobytes())
    return parts
