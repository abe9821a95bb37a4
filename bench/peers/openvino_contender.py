"""OpenVINO's inference on the processor, for compare.py: openvino_contender.py LAYERS BATCH THREADS float32|bf16

bf16 is what OpenVINO chooses by itself on processors with its instructions; float32 has to be asked for.
"""
import sys

from serve import resident_mib, serve, take_answers_apart

answers = take_answers_apart()

import numpy as np
import openvino

from onnx_graph import model

layers, batch, threads = map(int, sys.argv[1:4])
before = resident_mib()
random = np.random.default_rng(1)
network, graph = model(layers, batch, random)
core = openvino.Core()
compiled = core.compile_model(core.read_model(network), "CPU", {
    "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": {"float32": "f32", "bf16": "bf16"}[sys.argv[4]],
    "ENABLE_CPU_PINNING": False})
request = compiled.create_infer_request()
batches = [random.uniform(-1, 1, (batch, 3, 32, 32)).astype(np.float32) for _ in range(4)]
steps = 0


def step():
    global steps
    steps += 1
    return request.infer([batches[steps % len(batches)]], share_inputs=True)


serve(answers, {"version": f"OpenVINO {openvino.__version__.split('-')[0]}", "parameters": graph.parameters,
                "multiply_adds": graph.multiply_adds, "resident_mib": before}, step)
