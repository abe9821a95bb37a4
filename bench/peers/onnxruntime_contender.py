"""ONNX Runtime's inference, for compare.py: onnxruntime_contender.py LAYERS BATCH THREADS

ONNX Runtime merges convolution and batch normalisation and chooses its blocked layout itself (all optimisations on).
"""
import sys

from serve import resident_mib, serve, take_answers_apart

answers = take_answers_apart()

import numpy as np
import onnxruntime

from onnx_graph import model

layers, batch, threads = map(int, sys.argv[1:])
before = resident_mib()
random = np.random.default_rng(1)
network, graph = model(layers, batch, random)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
batches = [random.uniform(-1, 1, (batch, 3, 32, 32)).astype(np.float32) for _ in range(4)]
steps = 0


def step():
    global steps
    steps += 1
    return session.run(["logits"], {"images": batches[steps % len(batches)]})


serve(answers, {"version": f"ONNX Runtime {onnxruntime.__version__}", "parameters": graph.parameters, "multiply_adds": graph.multiply_adds,
                "resident_mib": before}, step)
