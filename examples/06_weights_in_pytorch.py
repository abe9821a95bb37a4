#!/usr/bin/env python3
"""06: our weights in PyTorch. The module below is all it takes.

usage: 06_weights_in_pytorch.py model.safetensors [logits.npy images.npy]

Tensors have PyTorch's names and layouts:
  conv1.weight                    [16, C, 3, 3]         convolutions are OIHW
  bn1.{weight, bias, running_mean, running_var}  [16]   batch normalisation, eps 1e-5
  blocks.{0 ... L-1}.conv1.weight, .bn1.*, .conv2.weight, .bn2.*     one residual block each, from input to output
  fc.weight [classes, 64], fc.bias [classes]
The metadata say what a network needs besides: `survival`, the probabilities p_l by which branches are multiplied at test (with `scaling`
"test"; with "train" they are not), and `normalization`, a scale and a mean image [H, W, C]: x = (byte - mean) / scale.
"""
import json
import struct
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, inputs, channels, p):
        super().__init__()
        self.stride, self.extra, self.p = channels // inputs, channels - inputs, p
        self.conv1, self.bn1 = nn.Conv2d(inputs, channels, 3, self.stride, 1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x):
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = F.pad(F.avg_pool2d(x, self.stride), (0, 0, 0, 0, 0, self.extra))  # pooled, new channels zero
        return F.relu(self.p * branch + shortcut)


class ResNet(nn.Module):
    def __init__(self, colours, classes, survival):
        super().__init__()
        n = len(survival) // 3
        width = [16] + [16] * n + [32] * n + [64] * n
        self.conv1, self.bn1 = nn.Conv2d(colours, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.blocks = nn.Sequential(*[Block(a, b, p) for a, b, p in zip(width, width[1:], survival)])
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


def read_safetensors(path):
    """The safetensors package does the same; these lines show that there is no magic."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    metadata = header.pop("__metadata__")
    number = lambda t: torch.from_numpy(np.frombuffer(data[slice(*t["data_offsets"])], np.float32).reshape(t["shape"]).copy())
    return {name: number(tensor) for name, tensor in header.items()}, metadata


def load(path):
    tensors, metadata = read_safetensors(path)
    survival = json.loads(metadata["survival"]) if metadata["scaling"] == "test" else [1.0] * len(json.loads(metadata["survival"]))
    net = ResNet(tensors["conv1.weight"].shape[1], tensors["fc.bias"].shape[0], survival).eval()
    missing, unexpected = net.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)  # a counter that nothing uses
    return net, metadata


def main():
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    net, metadata = load(sys.argv[1])
    print(f"{metadata['model']} for {metadata['data']}: {sum(p.numel() for p in net.parameters()):,} parameters, {len(net.blocks)} blocks")
    if len(sys.argv) == 4:  # compares with the logits of infer, for test images as bytes [N, H, W, C]
        logits, images = np.load(sys.argv[2]), np.load(sys.argv[3])
        scale, *mean = json.loads(metadata["normalization"])
        x = images.astype(np.float32)
        if mean:
            x -= np.float32(mean).reshape(images.shape[1:])
        x /= np.float32(scale)
        with torch.no_grad():
            found = net(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()
        print(f"largest difference from infer's logits: {np.abs(found - logits).max():.2e}")


if __name__ == "__main__":
    main()
