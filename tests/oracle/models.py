"""The networks of the oracles as plain PyTorch modules, and how a PyTorch user loads sdepth's weights:

    import safetensors_io, models, torch
    tensors, metadata = safetensors_io.read("model.safetensors")
    net = models.ResNet(blocks_per_group=3)              # ResNet-20
    models.load(net, tensors)
    logits = net.eval()(images, survival=models.linear_decay(9, 0.5))

Names and layouts are PyTorch's: convolutions OIHW, linear layers [outputs, inputs], `weight`, `bias`, `running_mean`, `running_var` of a
batch normalisation; images are NCHW. Only PyTorch's counter `num_batches_tracked`, which nothing here reads, is left out of the files.

Stochastic depth (Huang et al., ECCV 2016): a block whose gate is 0 is skipped, which means that its branch does not run at all, so that its
running statistics do not move. Its shortcut always runs.
"""
import numpy as np
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, gelu, hardswish, leaky_relu, max_pool2d, pad, relu, silu


def linear_decay(blocks, last):
    """Survival probabilities p_l = 1 - (l / L)(1 - p_L), l = 1 ... L (eq. 4 of the paper)."""
    return [1 - (l / blocks) * (1 - last) for l in range(1, blocks + 1)]


def conv(inputs, outputs, kernel, stride=1, bias=False):
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias)


def append_zero_channels(x, channels):
    return pad(x, (0, 0, 0, 0, 0, channels - x.shape[1]))


class PoolShortcut(nn.Module):
    """2x2 average pool, then zero channels appended (the paper's option A as the authors' program has it since 2017)."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        return append_zero_channels(avg_pool2d(x, 2), self.channels)


class SubsampleShortcut(PoolShortcut):
    """Every second pixel of every second row, then zero channels appended (option A of He et al.)."""

    def forward(self, x):
        return append_zero_channels(x[:, :, ::2, ::2], self.channels)


class CeilPoolShortcut(PoolShortcut):
    """The same for extents that 2 does not divide: at the edge, the mean of the pixels that are there."""

    def forward(self, x):
        return append_zero_channels(avg_pool2d(x, 2, ceil_mode=True), self.channels)


class ProjectionShortcut(nn.Module):
    """1x1 convolution of stride 2, then BN (option B). Both belong to the shortcut, so they run and learn when the block is skipped."""

    def __init__(self, inputs, channels):
        super().__init__()
        self.conv = conv(inputs, channels, 1, stride=2)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        return self.bn(self.conv(x))


class Residual(nn.Module):
    """Post-activation block: H = relu(scale * f(x) + shortcut(x)), f = conv3x3 - BN - ReLU - conv3x3 - BN."""

    def __init__(self, inputs, channels, stride=1, shortcut=None):
        super().__init__()
        self.conv1 = conv(inputs, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = shortcut or nn.Identity()

    def branch(self, x):
        return self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))

    def after_sum(self, x):
        return relu(x)

    def forward(self, x, gate, scale):
        h = self.shortcut(x)
        return self.after_sum(scale * self.branch(x) + h if gate else h)


class Bottleneck(Residual):
    """Post-activation, f = conv1x1 - BN - ReLU - conv3x3 - BN - ReLU - conv1x1 - BN, `inner` channels inside."""

    def __init__(self, channels, inner):
        nn.Module.__init__(self)
        self.conv1 = conv(channels, inner, 1)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv(inner, inner, 3)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = conv(inner, channels, 1)
        self.bn3 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Identity()

    def branch(self, x):
        return self.bn3(self.conv3(relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))))))


class PreActivation(Residual):
    """H = scale * f(x) + x, f = BN - ReLU - conv3x3 - BN - ReLU - conv3x3; no ReLU after the sum."""

    def __init__(self, channels):
        super().__init__(channels, channels)

    def branch(self, x):
        return self.conv2(relu(self.bn2(self.conv1(relu(self.bn1(x))))))

    def after_sum(self, x):
        return x


class StochasticDepthNet(nn.Module):
    """What all nets share: the loop over `self.blocks` between `stem` and `head`, with gates and survival probabilities.

    forward(x, gates, survival, scaling):
      gates     one 0/1 per block, only in training; None: every block runs. At test every block runs.
      survival  p_l per block; None: all 1.
      scaling   "test": the branch as it is in training, times p_l at test (the paper); "train": times 1/p_l in training, as it is at test.
    """

    def forward(self, x, gates=None, survival=None, scaling="test"):
        x = self.stem(x)
        for l, block in enumerate(self.blocks):
            p = 1.0 if survival is None else survival[l]
            if self.training:
                gate, scale = gates is None or bool(gates[l]), 1 / p if scaling == "train" else 1.0
            else:
                gate, scale = True, p if scaling == "test" else 1.0
            x = block(x, gate, scale)
        return self.head(x)


class ResNet(StochasticDepthNet):
    """The CIFAR ResNet of 6N + 2 layers: stem, three groups of N = blocks_per_group blocks with c, 2c, 4c channels, global pool, linear."""

    def __init__(self, blocks_per_group, channels=16, input_channels=3, classes=10):
        super().__init__()
        self.conv1 = conv(input_channels, channels, 3)
        self.bn1 = nn.BatchNorm2d(channels)
        self.blocks = nn.ModuleList()
        for group in range(3):
            for i in range(blocks_per_group):
                out = channels << group
                if group > 0 and i == 0:
                    self.blocks.append(Residual(out // 2, out, stride=2, shortcut=PoolShortcut(out)))
                else:
                    self.blocks.append(Residual(out, out))
        self.fc = nn.Linear(4 * channels, classes)

    def stem(self, x):
        return relu(self.bn1(self.conv1(x)))

    def head(self, x):
        return self.fc(x.mean((2, 3)))


class Zoo(StochasticDepthNet):
    """A net for inputs [3, 24, 24] with every kind of layer, block and shortcut; L = 6."""

    def __init__(self):
        super().__init__()
        self.conv1 = conv(3, 8, 5, bias=True)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = conv(8, 12, 3)
        self.bn2 = nn.BatchNorm2d(12)
        self.blocks = nn.ModuleList([
            Residual(12, 12),
            Residual(12, 20, stride=2, shortcut=SubsampleShortcut(20)),
            Residual(20, 24, stride=2, shortcut=ProjectionShortcut(20, 24)),
            Bottleneck(24, inner=8),
            PreActivation(24),
            PreActivation(24),
        ])
        self.bn3 = nn.BatchNorm2d(24)
        self.fc1 = nn.Linear(24 * 2 * 2, 16)
        self.fc2 = nn.Linear(16, 10)

    def stem(self, x):                                                    # 24x24
        x = self.bn1(max_pool2d(relu(self.conv1(x)), 2))                  # 12x12
        return relu(self.bn2(self.conv2(x)))

    def head(self, x):                                                    # 3x3
        x = avg_pool2d(relu(self.bn3(x)), 2, stride=1)                    # 2x2
        return self.fc2(relu(self.fc1(x.flatten(1))))                     # flattened in the order channel, row, column


class Block(nn.Module):
    """H = after(scale * f(x) + shortcut(x)) for a branch given as a function of its module."""

    def __init__(self, branch, shortcut=None, after=lambda x: x, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self.shortcut = shortcut or nn.Identity()
        self.branch, self.after = branch, after

    def forward(self, x, gate, scale):
        h = self.shortcut(x)
        return self.after(scale * self.branch(self, x) + h if gate else h)


class ActivationZoo(StochasticDepthNet):
    """A net for inputs [3, 12, 12] with every activation where one can be pending; the first block always runs, L = 3 of the others."""

    def __init__(self):
        super().__init__()
        self.conv1 = conv(3, 8, 3)
        self.bn1 = nn.BatchNorm2d(8)
        self.blocks = nn.ModuleList([
            Block(lambda b, x: b.bn2(b.conv2(gelu(b.bn1(b.conv1(x))))), after=silu,
                  conv1=conv(8, 8, 3), bn1=nn.BatchNorm2d(8), conv2=conv(8, 8, 3), bn2=nn.BatchNorm2d(8)),
            Block(lambda b, x: b.conv2(leaky_relu(b.bn2(b.conv1(silu(b.bn1(x)))))),
                  bn1=nn.BatchNorm2d(8), conv1=conv(8, 8, 3), bn2=nn.BatchNorm2d(8), conv2=conv(8, 8, 3)),
            Block(lambda b, x: b.conv2(gelu(b.conv1(hardswish(b.bn1(x))))), shortcut=ProjectionShortcut(8, 12),
                  bn1=nn.BatchNorm2d(8), conv1=conv(8, 12, 3, stride=2), conv2=conv(12, 12, 3)),
            Block(lambda b, x: gelu(b.conv1(x)), conv1=conv(12, 12, 3)),
        ])
        self.bn2 = nn.BatchNorm2d(12)
        self.fc1 = nn.Linear(12 * 3 * 3, 16)
        self.fc2 = nn.Linear(16, 10)

    def stem(self, x):
        return gelu(self.bn1(self.conv1(x)))

    def head(self, x):                                                    # 6x6
        x = avg_pool2d(hardswish(silu(self.bn2(x))), 2)                   # 3x3
        return self.fc2(leaky_relu(self.fc1(x.flatten(1))))


class OddExtents(StochasticDepthNet):
    """A net for inputs [3, 30, 25] whose strides do not divide what they are given; L = 3."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.blocks = nn.ModuleList([
            Block(Residual.branch, after=relu, shortcut=ProjectionShortcut(8, 8),
                  conv1=conv(8, 8, 3, 2), bn1=nn.BatchNorm2d(8), conv2=conv(8, 8, 3), bn2=nn.BatchNorm2d(8)),
            Block(Residual.branch, after=relu, shortcut=CeilPoolShortcut(12),
                  conv1=conv(8, 12, 3, 2), bn1=nn.BatchNorm2d(12), conv2=conv(12, 12, 3), bn2=nn.BatchNorm2d(12)),
            Block(lambda b, x: b.bn1(b.conv1(x)), after=relu, shortcut=SubsampleShortcut(16),
                  conv1=conv(12, 16, 5, 2), bn1=nn.BatchNorm2d(16)),
        ])
        self.fc = nn.Linear(16, 10)

    def stem(self, x):                                                    # 14x12
        return relu(self.bn1(self.conv1(x)))                              # then 7x6, 4x3, 2x2

    def head(self, x):
        return self.fc(x.mean((2, 3)))


class TorchvisionBlock(nn.Module):
    """A block of torchvision.models.resnet, in its manner and with its names, or one with pre-activation."""

    def __init__(self, inputs, channels, stride, bottleneck, preactivation):
        super().__init__()
        inner = channels // 4 if bottleneck else channels
        kinds = [(inner, 1, 1), (inner, 3, stride), (channels, 1, 1)] if bottleneck else [(channels, 3, stride), (channels, 3, 1)]
        before = inputs
        for i, (outputs, kernel, step) in enumerate(kinds, 1):
            setattr(self, f"conv{i}", conv(before, outputs, kernel, step))
            setattr(self, f"bn{i}", nn.BatchNorm2d(before if preactivation else outputs))
            before = outputs
        self.count, self.preactivation = len(kinds), preactivation
        if stride != 1 or inputs != channels:
            self.downsample = nn.Sequential(conv(inputs, channels, 1, stride), nn.BatchNorm2d(channels))
        else:
            self.downsample = None

    def branch(self, x):
        for i in range(1, self.count + 1):
            convolution, norm = getattr(self, f"conv{i}"), getattr(self, f"bn{i}")
            if self.preactivation:
                x = convolution(relu(norm(x)))
            else:
                x = norm(convolution(x))
                x = relu(x) if i < self.count else x
        return x

    def forward(self, x, gate, scale):
        h = x if self.downsample is None else self.downsample(x)
        h = scale * self.branch(x) + h if gate else h
        return h if self.preactivation else relu(h)


class ImageNetResNet(StochasticDepthNet):
    """torchvision.models.ResNet by its names and numbers (`width` channels in layer1 instead of 64), with stochastic depth."""

    def __init__(self, counts, bottleneck, width=64, classes=1000, preactivation=False):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for layer, count in enumerate(counts):
            channels = (width << layer) * (4 if bottleneck else 1)
            blocks = [TorchvisionBlock(inputs if i == 0 else channels, channels, 2 if i == 0 and layer > 0 else 1, bottleneck, preactivation)
                      for i in range(count)]
            setattr(self, f"layer{layer + 1}", nn.Sequential(*blocks))
            inputs = channels
        if preactivation:
            self.bn2 = nn.BatchNorm2d(inputs)
        self.preactivation = preactivation
        self.fc = nn.Linear(inputs, classes)

    @property
    def blocks(self):
        return [*self.layer1, *self.layer2, *self.layer3, *self.layer4]

    def stem(self, x):
        return max_pool2d(relu(self.bn1(self.conv1(x))), 3, 2, 1)

    def head(self, x):
        if self.preactivation:
            x = relu(self.bn2(x))
        return self.fc(x.mean((2, 3)))


IMAGENET_RESNETS = {18: ([2, 2, 2, 2], False), 34: ([3, 4, 6, 3], False), 50: ([3, 4, 6, 3], True), 101: ([3, 4, 23, 3], True),
                    152: ([3, 8, 36, 3], True)}


def state(net):
    """{name: array} of parameters and running statistics, under the names of sdepth's files."""
    return {name: value.detach().numpy().copy() for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}


def load(net, tensors):
    """Copies {name: array} into the net, converted to the net's dtype; names and shapes must be the net's exactly."""
    expected = state(net)
    if expected.keys() != tensors.keys():
        raise ValueError(f"the file and the net differ in these names: {sorted(expected.keys() ^ tensors.keys())}")
    net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}, strict=False)


def random_state(net, rng, images):
    """Random but sensible float32 values for every parameter and running statistic of the net, which is left changed.

    He for convolutions, U(+-1/sqrt(fan_in)) for linear layers, gamma U(0.5, 1.5), other offsets N(0, 0.1^2). Running statistics are those
    of `images`, the variance times U(0.7, 1.4) and the mean shifted by up to a fifth of a deviation: evaluation then stays in range at any
    depth, and differs from training.
    """
    for module in net.modules():
        for name, parameter in module.named_parameters(recurse=False):
            shape, fan_in = parameter.shape, parameter[0].numel()
            if isinstance(module, nn.Conv2d) and name == "weight":
                value = rng.normal(0, np.sqrt(2 / fan_in), shape)
            elif isinstance(module, nn.Linear):
                bound = 1 / np.sqrt(module.in_features)
                value = rng.uniform(-bound, bound, shape)
            elif isinstance(module, nn.BatchNorm2d) and name == "weight":
                value = rng.uniform(0.5, 1.5, shape)
            else:
                value = rng.normal(0, 0.1, shape)
            parameter.data = torch.from_numpy(value.astype(np.float32)).to(parameter.dtype)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # take the statistics of one batch as they are
    with torch.no_grad():
        net.train()(images.to(norms[0].weight.dtype))
    for norm in norms:
        norm.momentum = 0.1
    tensors = {name: value.astype(np.float32) for name, value in state(net).items()}
    for name in tensors:
        if name.endswith("running_mean"):
            variance = tensors[name.replace("_mean", "_var")]
            tensors[name] += (rng.uniform(-0.2, 0.2, variance.shape) * np.sqrt(variance)).astype(np.float32)
            variance *= rng.uniform(0.7, 1.4, variance.shape).astype(np.float32)
    load(net, tensors)
    return tensors


class PublicResNet(nn.Module):
    """A CIFAR ResNet as public programs have it, with their names and shortcuts: option A has half of its zero channels on each side."""

    class Block(nn.Module):
        def __init__(self, inputs, channels):
            super().__init__()
            self.stride, self.side = channels // inputs, (channels - inputs) // 2
            self.conv1, self.bn1 = nn.Conv2d(inputs, channels, 3, self.stride, 1, bias=False), nn.BatchNorm2d(channels)
            self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)

        def forward(self, x):
            branch = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
            return relu(branch + pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.side, self.side)))

    def __init__(self, blocks_per_group, channels, classes=10):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        widths = [channels, channels, 2 * channels, 4 * channels]
        for i in (1, 2, 3):
            rest = [self.Block(widths[i], widths[i]) for _ in range(blocks_per_group - 1)]
            setattr(self, f"layer{i}", nn.Sequential(self.Block(widths[i - 1], widths[i]), *rest))
        self.linear = nn.Linear(4 * channels, classes)

    def forward(self, x):
        return self.linear(self.layer3(self.layer2(self.layer1(relu(self.bn1(self.conv1(x)))))).mean((2, 3)))
