"""The CIFAR ResNets of include/sdepth/models/cifar_resnet.hpp as ONNX graphs, made by hand with the `onnx` package (no exporter), random weights in them."""
import numpy as np
import onnx
from onnx import helper, numpy_helper


class Graph:
    """Nodes and weights as they come; counts learned numbers and the multiply-adds of one image."""

    def __init__(self, random):
        self.random = random
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
        normal = self.random.normal(0, (2 / (9 * inputs)) ** 0.5, (channels, inputs, 3, 3)).astype(np.float32)
        x = self.node("Conv", [x, self.weight(normal)], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])
        self.multiply_adds += normal.size * extent * extent
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        statistics = [self.weight(zeros, learned=False), self.weight(ones, learned=False)]
        return self.node("BatchNormalization", [x, self.weight(ones), self.weight(zeros), *statistics])


def cifar_resnet(layers, random):
    """The networks of include/sdepth/models/cifar_resnet.hpp."""
    graph, inputs, extent = Graph(random), 16, 32
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


def model(layers, batch, random):
    """(the serialised model from `images` [batch, 3, 32, 32] to `logits` [batch, 10], its Graph)"""
    graph = cifar_resnet(layers, random)
    network = helper.make_graph(graph.nodes, "cifar_resnet",
                                [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [batch, 3, 32, 32])],
                                [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [batch, 10])], graph.weights)
    made = helper.make_model(network, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString(), graph
