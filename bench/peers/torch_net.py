"""The CIFAR ResNets of include/sdepth/models/cifar_resnet.hpp in PyTorch, every block open."""
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, pad, relu


def conv(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


class Block(nn.Module):
    """relu(f(x) + shortcut(x)); the shortcut of a block of stride 2 is a 2x2 average pool with zero channels appended."""

    def __init__(self, inputs, channels, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, channels, stride), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = conv(channels, channels), nn.BatchNorm2d(channels)
        self.stride, self.new_channels = stride, channels - inputs

    def forward(self, x):
        branch = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = pad(avg_pool2d(x, 2), (0, 0, 0, 0, 0, self.new_channels))
        return relu(branch + x)


class CifarResNet(nn.Module):
    """6n + 2 layers: stem, three groups of n blocks with 16, 32 and 64 channels, global average pool, linear."""

    def __init__(self, layers, classes=10):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 16), nn.BatchNorm2d(16)
        blocks, inputs = [], 16
        for channels in (16, 32, 64):
            for i in range((layers - 2) // 6):
                blocks.append(Block(inputs, channels, 2 if channels > inputs else 1))
                inputs = channels
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        return self.fc(self.blocks(relu(self.bn1(self.conv1(x)))).mean((2, 3)))


def parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


def multiply_adds(net):
    """Multiply-adds of one image's forward pass in convolutions and linear layers, counted while one passes."""
    total = 0

    def count(module, _, output):
        nonlocal total
        pixels = output.shape[2] * output.shape[3] if output.dim() == 4 else 1
        total += module.weight.numel() * pixels

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    training = net.training
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, 32, 32))
    net.train(training)
    for hook in hooks:
        hook.remove()
    return total
