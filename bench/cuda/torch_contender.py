"""PyTorch's training steps of ResNet-110 on a GPU, beside bench's cuda/train_step: torch_contender.py float32|tf32|bf16 eager|graph|compiled...

Batches of 128 come from pinned memory and are copied in every step, as ours; tensors are channels_last, with cuDNN's own search for the fastest
kernels. `graph` replays one CUDA graph of the whole step, `compiled` is torch.compile of the block (one for each shape) inside such a graph.
`bf16` is autocast. A line for each mode: milliseconds of a step, median and least of the runs, and images per second.
"""
import statistics
import sys
import time
import warnings

warnings.filterwarnings("ignore")

import torch
from torch.nn.functional import cross_entropy

from torch_net import Block, CifarResNet

LAYERS, BATCH, RUNS = 110, 128, 5


def steps_of(mode, precision):
    """A function that makes one training step and returns its loss on the device."""
    device = torch.device("cuda")
    torch.manual_seed(1)
    net = CifarResNet(LAYERS).to(device, memory_format=torch.channels_last)
    if mode == "compiled":
        for block in net.modules():
            if isinstance(block, Block):
                block.compile()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, nesterov=True, fused=True)
    batches = [(torch.rand(BATCH, 3, 32, 32).mul(2).sub(1).to(memory_format=torch.channels_last).pin_memory(),
                torch.randint(0, 10, (BATCH,)).pin_memory()) for _ in range(4)]
    images, labels = batches[0][0].to(device), batches[0][1].to(device)
    made = 0

    def upload():
        nonlocal made
        made += 1
        images.copy_(batches[made % 4][0], non_blocking=True)
        labels.copy_(batches[made % 4][1], non_blocking=True)

    def compute():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
            loss = cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    def eager():
        upload()
        return compute()

    if mode == "eager":
        return eager
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(5):
            eager()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = compute()

    def replay():
        upload()
        graph.replay()
        return loss

    return replay


def main():
    precision, modes = sys.argv[1], sys.argv[2:]
    if not torch.cuda.is_available():
        print(f"skipped: PyTorch {torch.__version__} finds no CUDA device")
        return 77
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    failed = False
    for mode in modes:
        name = f"pytorch {torch.__version__} {precision} {mode}"
        try:
            began = time.perf_counter()
            step = steps_of(mode, precision)
            for _ in range(10):
                step()
            torch.cuda.synchronize()
            ready = time.perf_counter() - began
            times = []
            for _ in range(RUNS):
                begin = time.perf_counter()
                for _ in range(20):
                    loss = step()
                torch.cuda.synchronize()
                times.append((time.perf_counter() - begin) / 20)
            ms = 1e3 * statistics.median(times)
            print(f"{name}: {ms:.3f} ms a step (least {1e3 * min(times):.3f}), {1e3 * BATCH / ms:.0f} images/s, "
                  f"loss {float(loss):.3f}, ready after {ready:.1f} s, on {torch.cuda.get_device_name()}")
        except Exception as error:  # one mode that fails does not take the others with it
            failed = True
            print(f"{name}: failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
