"""ONNX Runtime's inference, for compare.py: onnxruntime_contender.py LAYERS BATCH THREADS

The graph is made here by hand with the `onnx` package (no exporter), random weights in it; ONNX Runtime merges convolution and batch
normalisation and chooses its blocked layout itself (all optimisations on).
"""
import sys

from serve import resident_mib, serve, take_answers_apart

answers = take_answers_apart()

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

layers, batch, threads = map(int, sys.argv[1:])
before = resident_mib()
random = np.random.default_rng(1)


class Graph:
    """Nodes and weights as they come; counts learned numbers and the multiply-adds of one image."""

    def __init__(self):
        self.nodes, self.weights, self.parameters, self.multiply_adds = [], [], 0, 0

    def weight(self, value, learned=True):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        self.parameters += value.size if learned else 0
        return name

    def node(self, kind, inputs, output=None, **attributes):
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def conv_bn(self, x, inputs, channels, extent, stride=1):
        """Convolution 3x3 and batch normalisation. extent: rows and columns of the output."""
        normal = random.normal(0, (2 / (9 * inputs)) ** 0.5, (channels, inputs, 3, 3)).astype(np.float32)
        x = self.node("Conv", [x, self.weight(normal)], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])
        self.multiply_adds += normal.size * extent * extent
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        statistics = [self.weight(zeros, learned=False), self.weight(ones, learned=False)]
        return self.node("BatchNormalization", [x, self.weight(ones), self.weight(zeros), *statistics])


def cifar_resnet(layers):
    """The networks of include/sdepth/models/cifar_resnet.hpp."""
    graph, inputs, extent = Graph(), 16, 32
    x = graph.node("Relu", [graph.conv_bn("images", 3, 16, extent)])
    for channels in (16, 32, 64):
        for i in range((layers - 2) // 6):
            stride = 2 if channels > inputs else 1
            extent //= stride
            branch = graph.node("Relu", [graph.conv_bn(x, inputs, channels, extent, stride)])
            branch = graph.conv_bn(branch, channels, channels, extent)
            if stride == 2:
                x = graph.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
                pads = graph.weight(np.array([0, 0, 0, 0, 0, channels - inputs, 0, 0], np.int64), learned=False)
                x = graph.node("Pad", [x, pads])
            x = graph.node("Relu", [graph.node("Add", [branch, x])])
            inputs = channels
    x = graph.node("Flatten", [graph.node("GlobalAveragePool", [x])])
    linear = random.uniform(-0.125, 0.125, (10, 64)).astype(np.float32)
    graph.node("Gemm", [x, graph.weight(linear), graph.weight(np.zeros(10, np.float32))], output="logits", transB=1)
    graph.multiply_adds += linear.size
    return graph


graph = cifar_resnet(layers)
model = helper.make_model(
    helper.make_graph(graph.nodes, "cifar_resnet", [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [batch, 3, 32, 32])],
                      [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [batch, 10])], graph.weights),
    opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
batches = [random.uniform(-1, 1, (batch, 3, 32, 32)).astype(np.float32) for _ in range(4)]
steps = 0


def step():
    global steps
    steps += 1
    return session.run(["logits"], {"images": batches[steps % len(batches)]})


serve(answers, {"version": f"ONNX Runtime {onnxruntime.__version__}", "parameters": graph.parameters, "multiply_adds": graph.multiply_adds,
                "resident_mib": before}, step)
