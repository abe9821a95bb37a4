#!/usr/bin/python3
"""Writes the numbers that the C++ tests compare with: tests/oracle/*.safetensors, computed by PyTorch in float64.

usage: make_oracles.py [OUTPUT_DIR]      (default: this file's directory; Debian 12: apt-get install python3-torch)

Inputs are chosen in float32, hence exact in both; results are rounded to float32. All tensors are F32. Images are NHWC, labels floats.

resnet20, zoo, activation_zoo:
                     init.* (parameters, running statistics), images, labels, survival; per training step: logits, loss, grad.* (of the mean
                     loss; a skipped block has none), after.* (running statistics after one forward from init.*);
                     test.scaling_test, test.scaling_train (evaluation logits with the statistics of init.*).
                     In the zoos each training step has a prefix (open., skip_a., skip_b.) and its gates.
odd_extents, imagenet_*: the same.
public_resnet:       F16 and counters, by the names of public CIFAR ResNets in DataParallel; public_resnet_logits: images, logits.
torchvision_resnets.txt: a line for each tensor of resnet18, resnet50 and resnet152 of torchvision: layers, name, shape.
sgd_inputs:          init.*, images [steps, batch, H, W, C], labels, gates, survival, lr (one rate per step), batch, momentum, decay.
sgd_POLICY_SCALING:  losses_hi + losses_lo (float64 split in two floats), step4.*, step20.* (parameters and running statistics);
                     PyTorch's own float32 drift: float32.losses (|difference| per step), float32.parameters, float32.statistics
                     (relative L2 of all together, after 4 and 20 steps).
autocast:            20 steps from resnet20's init.* on its images, rate AUTOCAST_RATE: losses (float64's), autocast.losses (|difference| per
                     step under torch.autocast to bfloat16).
activations:         x; per activation NAME.value, NAME.derivative (float64 split in two floats: + NAME.value_lo, NAME.derivative_lo).
optimizers:          init, gradients [steps], gates [steps, 2], each of 35 numbers: the trunk's 18, two blocks' 4 and 4, the trunk's 9 (steps.py);
                     OPTIMIZER.POLICY (weights after each step), OPTIMIZER.POLICY.STATE (after the last); clip.norm, clip.gradients (of the
                     first step, largest norm 1.5); average (of the weights of SGD.as_code after each step, decay 0.9).
losses:              outputs [6, 5], labels, probabilities, masses, numbers; LOSS.loss, LOSS.gradient (of the mean loss by outputs).
"""
import pathlib
import sys

import numpy as np
import torch
from torch.nn.functional import cross_entropy, gelu, hardswish, leaky_relu, mish, relu, silu

import models
import pictures
import safetensors_io
import steps
import training

BATCH = 8
STEPS, SNAPSHOTS = 20, (4, 20)
AUTOCAST_RATE = 0.01
RATES = [0.01] * 2 + [0.1] * 10 + [0.01] * 8  # a warm start and a drop, so that both stretches compared see the rate change
MOMENTUM, DECAY = 0.9, 1e-4
SGD_CHANNELS, SGD_SIZE = 8, 16
ZOO_GATES = {"skip_a.": [1, 0, 1, 0, 0, 1],  # a transitional block whose shortcut subsamples, a bottleneck, a pre-activation block
             "skip_b.": [0, 1, 0, 1, 1, 0]}  # a transitional block whose shortcut is a projection with a BN, the last block


def float32(tensors, prefix=""):
    return {prefix + name: np.asarray(value, np.float32) for name, value in tensors.items()}


def nhwc(images):
    return np.moveaxis(np.asarray(images), -3, -1)


def save(directory, name, what, tensors):
    safetensors_io.write(directory / f"{name}.safetensors", float32(tensors), {"what": what, "made_by": "tests/oracle/make_oracles.py"})


def kink_distance(run):
    """The smallest |x| / rms(x) that any ReLU was given while run() ran, but for exact zeros (padding, and what a ReLU left).

    A unit whose input is nearer to 0 than rounding errors lets a float32 run take the other side: from there on it is another run, some
    1e-4 away, and by how many steps of rounding it was computed says nothing any more.
    """
    distances = []

    def recording_relu(x):
        size = x.detach().abs()
        distances.append(float(size[size > 0].min() / size.square().mean().sqrt()))
        return relu(x)

    relu, models.relu = models.relu, recording_relu
    try:
        run()
    finally:
        models.relu = relu
    return min(distances, default=np.inf)


def training_step(net, initial, images, labels, prefix, **options):
    """Logits, loss, gradients and running statistics of one training forward and backward from the initial state."""
    models.load(net, initial)
    net.train().zero_grad(set_to_none=True)
    logits = net(images, **options)
    loss = cross_entropy(logits, labels)
    loss.backward()
    results = {"logits": logits.detach().numpy(), "loss": [loss.item()]}
    results.update({"grad." + name: p.grad.numpy().copy() for name, p in net.named_parameters() if p.grad is not None})
    results.update({"after." + name: value for name, value in models.state(net).items() if ".running_" in name})
    return {prefix + name: value for name, value in results.items()}


def network_oracle(directory, name, net, shape, seed, steps, survival=None):
    """One file for a network: `steps` maps the prefix of a training step to its gates (None: all open). `survival`: linear decay to 0.5 by default."""
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.standard_normal((BATCH, *shape), np.float32)).double()
    labels = torch.from_numpy(rng.integers(0, 10, BATCH))
    net = net.double()
    initial = models.random_state(net, rng, images)
    survival = survival or models.linear_decay(len(net.blocks), 0.5)
    tensors = {"images": nhwc(images), "labels": labels.numpy(), "survival": survival}
    tensors.update(float32(initial, "init."))
    kinks = []
    for prefix, gates in steps.items():
        if gates is not None:
            tensors[prefix + "gates"] = gates
        tensors.update(training_step(net, initial, images, labels, prefix, gates=gates))
        kinks.append(kink_distance(lambda: training_step(net, initial, images, labels, prefix, gates=gates)))
    models.load(net.eval(), initial)
    for scaling in training.SCALINGS:
        with torch.no_grad():
            tensors["test.scaling_" + scaling] = net(images, survival=survival, scaling=scaling).numpy()
    save(directory, name, f"{type(net).__name__}, batch {BATCH}, seed {seed}", tensors)
    losses = {prefix or "all": round(float(tensors[prefix + "loss"][0]), 6) for prefix in steps}
    print(f"{name:10} loss {losses}, largest test logit {np.abs(tensors['test.scaling_test']).max():.3g} / "
          f"{np.abs(tensors['test.scaling_train']).max():.3g}, nearest ReLU kink {min(kinks):.1e}")


def draw_gates(rng, survival):
    """Gates by the survival table, drawn again until within the first steps both transitional blocks are skipped once and every block
    runs once, and until no block runs in every step."""
    transitional = [2, 4]
    while True:
        gates = (rng.random((STEPS, len(survival))) < survival).astype(np.int64)
        first = gates[:SNAPSHOTS[0]]
        if not first[:, transitional].all(axis=0).any() and first.any(axis=0).all() and not gates.all(axis=0).any():
            return gates


def sgd_oracles(directory, seed):
    rng = np.random.default_rng(seed)
    net = models.ResNet(blocks_per_group=2, channels=SGD_CHANNELS)
    labels = rng.integers(0, 10, (STEPS, BATCH))
    pixels = pictures.random_pictures(rng, labels.ravel(), 3, SGD_SIZE).reshape(STEPS, BATCH, 3, SGD_SIZE, SGD_SIZE)
    images = pixels / np.float32(255)
    initial = models.random_state(net.double(), rng, torch.from_numpy(images[0]))
    survival = models.linear_decay(len(net.blocks), 0.5)
    gates = draw_gates(rng, survival)
    shared = {"images": nhwc(images), "labels": labels, "gates": gates, "survival": survival, "lr": RATES, "momentum": [MOMENTUM],
              "decay": [DECAY]}
    shared.update(float32(initial, "init."))
    save(directory, "sgd_inputs", f"ResNet-14 with {SGD_CHANNELS} channels, seed {seed}", shared)

    kinks = []
    for skip_update in training.SKIP_UPDATES:
        for scaling in training.SCALINGS:
            def run(dtype, steps=STEPS):
                return training.run(net, initial, dtype, images[:steps], labels, gates, survival, RATES, skip_update, scaling,
                                    MOMENTUM, DECAY, SNAPSHOTS)

            (losses, states, _), (losses32, states32, _) = run(torch.float64), run(torch.float32)
            kinks.append(kink_distance(lambda: run(torch.float64, steps=SNAPSHOTS[0])))
            drift = np.array([training.distances(states32[n], states[n]) for n in SNAPSHOTS])
            high = losses.astype(np.float32)
            tensors = {"losses_hi": high, "losses_lo": losses - high, "float32.losses": np.abs(losses32 - losses),
                       "float32.parameters": drift[:, 0], "float32.statistics": drift[:, 1]}
            for n in SNAPSHOTS:
                tensors.update(float32(states[n], f"step{n}."))
            name = f"sgd_{skip_update.replace('-', '_')}_{scaling}"
            save(directory, name, f"{STEPS} steps from sgd_inputs, skip-update {skip_update}, scaling {scaling}", tensors)
            within = np.maximum.accumulate(np.abs(losses32 - losses))
            print(f"{name:18} losses {losses[0]:.4f} ... {losses[-1]:.4f}; float32 drifts in loss by {within[3]:.1e} / {within[-1]:.1e}, "
                  f"parameters {drift[0, 0]:.1e} / {drift[1, 0]:.1e}, statistics {drift[0, 1]:.1e} / {drift[1, 1]:.1e} over 4 / 20 steps")
    print(f"{'':18} blocks run of 20 steps: {gates.sum(axis=0).tolist()}, over the first 4: {gates[:4].sum(axis=0).tolist()}; "
          f"nearest ReLU kink over the first 4: {min(kinks):.1e}")


def autocast_oracle(directory, seed):
    """How far PyTorch's own training in bfloat16 is from float64, on a run that is not chaotic yet."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((BATCH, 3, 32, 32), np.float32)
    labels = rng.integers(0, 10, BATCH)
    net = models.ResNet(blocks_per_group=3)
    initial = models.random_state(net.double(), rng, torch.from_numpy(images).double())
    rates = [AUTOCAST_RATE] * STEPS

    def run(dtype, **options):
        return training.run(net, initial, dtype, [images] * STEPS, [labels] * STEPS, None, None, rates, "as-code", "test", MOMENTUM, DECAY,
                            **options)

    (losses, _, _), (losses16, _, _) = run(torch.float64), run(torch.float32, autocast=True)
    save(directory, "autocast", f"{STEPS} steps of ResNet-20 in float64, and autocast's distance",
         {"losses": losses, "autocast.losses": np.abs(losses16 - losses)})
    print(f"{'autocast':18} losses {losses[0]:.4f} ... {losses[-1]:.4f}; autocast's are off by {np.abs(losses16 - losses).mean():.1e} in "
          f"the mean, at most {np.abs(losses16 - losses).max():.1e}")


def activation_oracle(directory):
    """A grid that meets no kink but 0, and numbers at the ends of float32."""
    ends = [0.0, -0.0, 1e-30, -1e-30, 1e4, -1e4, 1e30, -1e30, np.inf, -np.inf, np.nan]
    points = np.concatenate([np.linspace(-9, 9, 200), ends]).astype(np.float32)
    tensors = {"x": points}
    for function in [relu, leaky_relu, gelu, silu, hardswish, mish]:
        x = torch.from_numpy(points).double().requires_grad_()
        value = function(x)
        value.sum().backward()
        for what, exact in {"value": value.detach().numpy(), "derivative": x.grad.numpy()}.items():
            high = exact.astype(np.float32)
            with np.errstate(invalid="ignore"):  # inf - inf
                rest = exact - high
            tensors |= {f"{function.__name__}.{what}": high, f"{function.__name__}.{what}_lo": np.where(np.isfinite(rest), rest, 0)}
    save(directory, "activations", "values and derivatives of activations", tensors)


def step_oracles(directory, seed):
    rng = np.random.default_rng(seed)
    save(directory, "optimizers", f"{steps.STEPS} updates by each optimizer, seed {seed}", steps.optimizers(rng))
    save(directory, "losses", f"losses of 6 images with 5 outputs, seed {seed}", steps.losses(rng))


def resnet_oracles(directory):
    """Narrow ResNets for numbers, at extents that no stride divides, and the names and shapes of the real ones' tensors."""
    for name, counts, bottleneck, preactivation, seed in [("imagenet_basic", [2, 2, 3, 2], False, False, 53),
                                                          ("imagenet_bottleneck", [2, 3, 2, 2], True, False, 24),
                                                          ("imagenet_preactivation", [2, 2, 2, 2], False, True, 39)]:
        net = models.ImageNetResNet(counts, bottleneck, width=4, classes=10, preactivation=preactivation)
        skips = [int(i % 3 != 1) for i in range(sum(counts))]
        skips[counts[0]] = 0  # with a projection
        steps = {"skip.": skips} if bottleneck or preactivation else {"open.": None, "skip.": skips}
        network_oracle(directory, name, net, (3, 45, 37), seed=seed, steps=steps)
    lines = []
    for layers in [18, 50, 152]:
        net = models.ImageNetResNet(*models.IMAGENET_RESNETS[layers])
        lines += [f"{layers} {name} {' '.join(map(str, value.shape))}\n" for name, value in models.state(net).items()]
    (directory / "torchvision_resnets.txt").write_text("".join(lines))


def public_resnet_oracle(directory, seed):
    """Weights as public programs save them: wrapped by DataParallel, in half precision, with counters. Their logits are float64's."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((4, 3, 12, 12), np.float32)
    net = models.PublicResNet(blocks_per_group=2, channels=4).double()
    tensors = {}
    for name, value in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensors[f"module.{name}"] = np.int64(7)
            continue
        size = 0.5 if name.endswith("weight") and value.dim() > 1 else 0.2
        random = size * rng.standard_normal(value.shape) + (1 if "bn" in name and name.endswith(("weight", "var")) else 0)
        half = np.abs(random).astype(np.float16) if name.endswith("var") else random.astype(np.float16)
        tensors[f"module.{name}"] = half
        value.copy_(torch.from_numpy(half.astype(np.float64)))
    with torch.no_grad():
        logits = net.eval()(torch.from_numpy(images).double()).numpy()
    safetensors_io.write(directory / "public_resnet.safetensors", tensors, {"format": "pt"})
    save(directory, "public_resnet_logits", f"images and logits of public_resnet, seed {seed}", {"images": nhwc(images), "logits": logits})


def main():
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent
    torch.set_num_threads(1)  # one order of summation
    # Seeds whose ReLUs all stay away from their kinks (the printed distance), so that rounding cannot change which units have a gradient.
    network_oracle(directory, "resnet20", models.ResNet(blocks_per_group=3), (3, 32, 32), seed=36, steps={"": None})
    network_oracle(directory, "zoo", models.Zoo(), (3, 24, 24), seed=84, steps={"open.": None, **ZOO_GATES})
    network_oracle(directory, "activation_zoo", models.ActivationZoo(), (3, 12, 12), seed=7,
                   steps={"open.": None, "skip_a.": [1, 0, 1, 0], "skip_b.": [1, 1, 0, 1]}, survival=[1.0, *models.linear_decay(3, 0.5)])
    network_oracle(directory, "odd_extents", models.OddExtents(), (3, 30, 25), seed=22, steps={"open.": None, "skip.": [0, 0, 0]})
    resnet_oracles(directory)
    public_resnet_oracle(directory, seed=3)
    # Over 20 steps no seed avoids them. This one's float32 drift is the usual one, not a lucky one, which nobody could keep to: float64
    # runs with rounding noise of 3e-7 in every convolution end within 3 times that distance.
    sgd_oracles(directory, seed=1397)
    autocast_oracle(directory, seed=36)
    activation_oracle(directory)
    step_oracles(directory, seed=5)
    files = sorted(directory.glob("*.safetensors"))
    print("bytes:", {file.name: file.stat().st_size for file in files}, "together", sum(file.stat().st_size for file in files))


if __name__ == "__main__":
    main()
