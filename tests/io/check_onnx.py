#!/usr/bin/env python3
"""Shows the models that the tests write to onnx.checker and to ONNX Runtime: the same logits within 1e-5 of the largest.

usage: check_onnx.py TEST_IO      (the program of tests/io; needs onnx, onnxruntime and numpy, and says so where they are missing)
"""
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as error:
    print(f"check_onnx: skipped, since Python lacks a package: {error}; choose another Python by cmake -D SDEPTH_PYTHON=...")
    sys.exit(0)


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], "--source-file=*onnx_test.cpp"], env={**os.environ, "SDEPTH_ONNX_OUT": folder}, check=True,
                       stdout=subprocess.DEVNULL)
        models = sorted(pathlib.Path(folder).glob("*.onnx"))
        assert len(models) >= 10, models
        for path in models:
            onnx.checker.check_model(onnx.load(path), full_check=True)
            images, logits = (np.load(f"{str(path)[:-5]}_{what}.npy") for what in ("images", "logits"))
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            for batch in (len(images), 1):  # the batch is free
                found = session.run(["logits"], {"images": images[:batch]})[0]
                distance = np.abs(found - logits[:batch]).max() / np.abs(logits).max()
                print(f"{path.stem}, {batch} images: {distance:.1e}")
                assert found.shape == logits[:batch].shape and distance < 1e-5, path.name


main()
