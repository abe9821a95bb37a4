"""PyTorch's training steps and inference, for compare.py: torch_contender.py train|infer LAYERS BATCH THREADS eager|compiled float32|bf16

Tensors are channels_last, PyTorch's faster format on CPUs. `compiled` is torch.compile; for inference with its constant folding of weights
("freezing"), which merges convolution and batch normalisation. On one thread that was the fastest of PyTorch's ways (eager, torch.fx fuse,
torch.jit.freeze, torch.jit.optimize_for_inference, compiled without freezing) for ResNet-20 and 110, batch 1 and 128. `bf16` is autocast.
"""
import os
import sys
import warnings

from serve import resident_mib, serve, take_answers_apart

answers = take_answers_apart()
warnings.filterwarnings("ignore")

import torch
from torch.nn.functional import cross_entropy

from torch_net import CifarResNet, multiply_adds, parameters

work, layers, batch, threads, mode, precision = sys.argv[1:]
layers, batch, threads = int(layers), int(batch), int(threads)
torch.set_num_threads(threads)
torch.set_num_interop_threads(1)
torch.manual_seed(1)
before = resident_mib()

if mode == "compiled":
    import torch._inductor.config as inductor
    inductor.freezing = work == "infer"
    if os.environ.get("ATEN_CPU_CAPABILITY") == "avx2" and hasattr(inductor.cpp, "march"):
        inductor.cpp.march = "x86-64-v3"  # -march=native otherwise, whatever its vector width

net = CifarResNet(layers)
introduction = {"version": f"PyTorch {torch.__version__.split('+')[0]}", "parameters": parameters(net), "multiply_adds": multiply_adds(net),
                "resident_mib": before}
net = net.to(memory_format=torch.channels_last)
batches = [(torch.rand(batch, 3, 32, 32).mul(2).sub(1).to(memory_format=torch.channels_last), torch.randint(0, 10, (batch,)))
           for _ in range(4)]
steps = 0


def autocast():
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")


def next_batch():
    global steps
    steps += 1
    return batches[steps % len(batches)]


if work == "train":
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, nesterov=True, fused=True)

    def loss_of(images, labels):
        return cross_entropy(net(images), labels)

    run = torch.compile(loss_of) if mode == "compiled" else loss_of

    def step():
        images, labels = next_batch()
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            loss = run(images, labels)
        loss.backward()
        optimizer.step()
else:
    net.eval()
    run = torch.compile(net) if mode == "compiled" else net

    def step():
        with torch.inference_mode(), autocast():
            return run(next_batch()[0])

serve(answers, introduction, step)
