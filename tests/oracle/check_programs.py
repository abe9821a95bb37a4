#!/usr/bin/python3
"""Compares the programs train and infer with PyTorch from outside, on pictures, weights and gates of a seed. Run by hand.

usage: check_programs.py --train PATH --infer PATH [--seed S] [--quick] [--strict]
       check_programs.py --train PATH --compare-epoch --data-dir CIFAR10_DIR [--seed S]

Each case is trained from the same random weights for 4 and for 20 steps with forced gates, by the program and by PyTorch in float64 and
float32; then infer's logits are compared for the weights that the program wrote (metadata only) and for PyTorch's (by options).

The rule for training: the first loss within 1e-5 of float64, relative; losses, parameters and running statistics no further from float64
than 20 times PyTorch in float32. One float32 run is a lottery, though: a unit whose input is nearer to ReLU's kink than a rounding error
gets another gradient, which moves the result 1000 times further than rounding does, or not. So PyTorch in float32 is run several times,
natively and with a rounding error added to every convolution, and the furthest run counts. The table gives both factors:
  ok    at most 20 times the plain float32 run
  kink  more than that, at most 20 times the furthest of them: correct programs do this too (a failure with --strict)
  FAIL  more than 20 times the furthest: try another seed; an error comes again, a kink need not
One block is skipped throughout the first 4 steps. Drift cannot reach it, so it shows weight decay, momentum and policy exactly.
Exits 1 if a row fails. With --compare-epoch: one epoch of 390 steps of ResNet-20 in both, mean training losses within 2 %.
"""
import argparse
import csv
import dataclasses
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

import models
import pictures
import safetensors_io
import training

SNAPSHOTS = (4, 20)
BATCH = 8
TEST_LIMIT = 64
LOGITS_TOLERANCE = 1e-4  # relative L2
EPOCH_TOLERANCE = 0.02
KERNEL_NOISE = 2e-7      # of a convolution's rms: the rounding of some hundred products summed in another order
NOISY_RUNS = 3
SLEEPER_TOLERANCE = 0.05  # of a way of some 1e-5 of the weights, of which rounding the weights to float32 blurs about a hundredth
NO_DROP = "1"            # the rate falls when the run is over
BLOCKS_PER_GROUP = {"resnet20": 3, "resnet56": 9, "resnet110": 18, "resnet1202": 200}


@dataclasses.dataclass
class Case:
    model: str
    data: str
    skip_update: str
    scaling: str
    normalize: str = "none"
    rate: float = 0.1
    limit_train: int = BATCH * SNAPSHOTS[-1]  # fewer records: epochs that end in a smaller batch
    quick: bool = False

    def __str__(self):
        wrap = "" if self.limit_train == BATCH * SNAPSHOTS[-1] else f" {self.limit_train} records"
        return f"{self.model} {self.data} {self.skip_update} {self.scaling} {self.normalize} lr {self.rate}{wrap}"


CASES = [
    Case("resnet20", "cifar10", "as-code", "test", quick=True),
    Case("resnet20", "cifar10", "as-code", "train", rate=0.02),
    Case("resnet20", "cifar10", "frozen", "test", rate=0.02),
    Case("resnet20", "cifar10", "frozen", "train", quick=True),
    Case("resnet20", "cifar10", "as-code", "test", normalize="paper"),
    Case("resnet20", "cifar10", "frozen", "test", rate=0.02, limit_train=100),
    Case("resnet20", "fashion-mnist", "frozen", "test", rate=0.02, quick=True),
    Case("resnet20", "fashion-mnist", "as-code", "train", normalize="paper", rate=0.02),
    Case("resnet56", "cifar10", "as-code", "test", rate=0.02),
    Case("resnet56", "cifar10", "frozen", "train", normalize="paper", rate=0.02),
]


class Report:
    """The table of results, printed row by row."""

    def __init__(self):
        self.counts = {"ok": 0, "kink": 0, "FAIL": 0}

    def row(self, what, verdict, text):
        self.counts[verdict] += 1
        print(f"  {verdict:4}  {what:34} {text}", flush=True)

    def bound(self, what, value, limit):
        self.row(what, "ok" if value <= limit else "FAIL", f"{value:.2e}, at most {limit:.0e}")

    def drift(self, what, distance, float32_distances):
        """@param float32_distances  of PyTorch's float32 runs, the plain one first."""
        plain, furthest = (max(d, 1e-12) for d in (float32_distances[0], max(float32_distances)))
        verdict = "ok" if distance <= training.ALLOWANCE * plain else "kink" if distance <= training.ALLOWANCE * furthest else "FAIL"
        self.row(what, verdict, f"{distance:.2e}; float32 {plain:.1e} (factor {distance / plain:.1f}), "
                                f"furthest {furthest:.1e} (factor {distance / furthest:.1f})")


def call(program, options):
    command = [str(program)] + [str(option) for option in options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"exit code {done.returncode} of: {' '.join(command)}\n{done.stdout[-3000:]}")


def read_losses(directory):
    with open(directory / "losses.csv") as file:
        return np.array([float(row["loss"]) for row in csv.DictReader(file)])


def normalizer(kind, training_pictures):
    """A function from bytes [N, C, H, W] to float32, in the float32 arithmetic of the programs."""
    if kind == "none":
        return lambda images: images / np.float32(255)
    values = training_pictures.astype(np.float64)
    mean = values.mean(axis=0)
    deviation = np.sqrt(np.square(values - mean).mean())
    return lambda images: (images - mean.astype(np.float32)) / np.float32(deviation)


def make_net(model, image_shape):
    return models.ResNet(BLOCKS_PER_GROUP[model], input_channels=image_shape[0])


def evaluate(net, tensors, images, survival, scaling):
    """Test logits in float64."""
    net = net.double().eval()
    models.load(net, tensors)
    with torch.no_grad():
        return net(torch.from_numpy(images).double(), survival=survival, scaling=scaling).numpy()


def float32_runs(run):
    """PyTorch in float32: the plain run, one with its native instead of oneDNN's convolutions, and some with rounding noise."""
    yield run(torch.float32)
    with torch.backends.mkldnn.flags(enabled=False):
        yield run(torch.float32)
    convolve = torch.nn.Conv2d.forward
    for seed in range(NOISY_RUNS):
        noise = torch.Generator().manual_seed(seed)

        def noisy(self, x):
            y = convolve(self, x)
            scale = KERNEL_NOISE * y.detach().square().mean().sqrt()
            return y + scale * torch.randn(y.shape, generator=noise, dtype=y.dtype)

        torch.nn.Conv2d.forward = noisy
        try:
            yield run(torch.float32)
        finally:
            torch.nn.Conv2d.forward = convolve


def check_training(report, arguments, case, directory, data_options, train_set, initial, rng):
    """Trains in both and compares. Returns the program's weights after the last step as (path, tensors)."""
    steps = SNAPSHOTS[-1]
    pixels, labels = (part[: case.limit_train] for part in train_set)
    starts = np.tile(np.arange(0, len(labels), BATCH), steps)[:steps]  # an epoch's last batch may be smaller
    images = normalizer(case.normalize, pixels)(pixels)
    batches = [images[start : start + BATCH] for start in starts]
    classes = [labels[start : start + BATCH] for start in starts]
    net = make_net(case.model, pixels.shape[1:])
    survival = models.linear_decay(len(net.blocks), 0.5)
    gates = (rng.random((steps, len(survival))) < survival).astype(int)
    asleep = len(gates[0]) // 3 * int(rng.integers(1, 3))  # a transitional block, skipped while the first snapshot is made
    gates[: SNAPSHOTS[0], asleep] = 0
    np.savetxt(directory / "forced_gates.csv", gates, fmt="%d", delimiter=",")

    outputs = {n: directory / f"after{n}" for n in SNAPSHOTS}
    for n, output in outputs.items():
        call(arguments.train, data_options + [
            "--steps", n, "--batch", BATCH, "--lr", case.rate, "--lr-drop", NO_DROP,
            "--momentum", 0.9, "--weight-decay", 1e-4, "--nesterov", "--no-shuffle", "--no-augment", "--validation", 0,
            "--limit-train", case.limit_train, "--limit-test", TEST_LIMIT,
            "--schedule", "linear", "--survival", 0.5, "--scaling", case.scaling, "--skip-update", case.skip_update,
            "--init", directory / "init.safetensors", "--gates", directory / "forced_gates.csv", "--out", output])

    def run(dtype):
        return training.run(net, initial, dtype, batches, classes, gates, survival, [case.rate] * steps, case.skip_update, case.scaling,
                            snapshots=SNAPSHOTS)[:2]

    losses, states = run(torch.float64)
    others = list(float32_runs(run))
    found_losses = read_losses(outputs[steps])
    drawn = np.loadtxt(outputs[steps] / "gates.csv", delimiter=",", dtype=int)
    report.row("gates.csv", "ok" if np.array_equal(drawn, gates) else "FAIL", "equal to those forced")
    same_start = np.array_equal(read_losses(outputs[SNAPSHOTS[0]]), found_losses[: SNAPSHOTS[0]])
    report.row("losses of both runs", "ok" if same_start else "FAIL", "equal while both run")
    report.bound("first loss, relative", abs(found_losses[0] / losses[0] - 1), training.FIRST_LOSS_TOLERANCE)
    for n in SNAPSHOTS:
        found, _ = safetensors_io.read(outputs[n] / "model.safetensors")
        report.drift(f"losses of {n} steps", np.abs(found_losses - losses)[:n].max(), [np.abs(l - losses)[:n].max() for l, _ in others])
        here, there = training.distances(found, states[n]), [training.distances(s[n], states[n]) for _, s in others]
        report.drift(f"parameters after {n} steps", here[0], [d[0] for d in there])
        report.drift(f"running statistics after {n} steps", here[1], [d[1] for d in there])
    check_sleeper(report, case, f"blocks.{asleep}.", initial, states[SNAPSHOTS[0]],
                  safetensors_io.read(outputs[SNAPSHOTS[0]] / "model.safetensors")[0])
    return outputs[steps] / "model.safetensors", found


def check_sleeper(report, case, prefix, initial, truth, found):
    """A block that was skipped in every step: no kink and no drift reaches it, so what the skip-update did to it can be seen exactly."""
    names = [name for name in initial if name.startswith(prefix)]
    still = [name for name in names if case.skip_update == "frozen" or ".running_" in name]
    moved = [name for name in still if found[name].tobytes() != initial[name].tobytes()]
    report.row("bytes that a skip leaves alone", "FAIL" if moved else "ok", f"{len(still) - len(moved)} of {len(still)} tensors equal")
    if case.skip_update == "as-code":
        way = [np.concatenate([state[name].astype(np.float64).ravel() - initial[name].ravel() for name in names if name not in still])
               for state in (found, truth)]
        report.bound("way of a skipped block, relative", training.relative(*way), SLEEPER_TOLERANCE)


def check_inference(report, arguments, case, directory, data_options, train_set, test_set, initial, trained):
    pixels = train_set[0][: case.limit_train]
    images = normalizer(case.normalize, pixels)(test_set[0][:TEST_LIMIT])
    net = make_net(case.model, images.shape[1:])
    survival = models.linear_decay(len(net.blocks), 0.5)
    path, tensors = trained
    calls = {"infer, the program's weights": (path, tensors, images, case.scaling, [])}
    for scaling in training.SCALINGS:
        options = ["--normalize", "none", "--schedule", "linear", "--survival", 0.5, "--scaling", scaling]
        plain = normalizer("none", None)(test_set[0][:TEST_LIMIT])
        calls[f"infer, PyTorch's, scaling {scaling}"] = (directory / "init.safetensors", initial, plain, scaling, options)
    for what, (weights, values, inputs, scaling, options) in calls.items():
        call(arguments.infer, data_options + ["--weights", weights, "--limit", TEST_LIMIT, "--logits", directory / "logits.npy"] + options)
        logits = np.load(directory / "logits.npy")
        if logits.dtype != np.float32 or logits.shape != (TEST_LIMIT, 10):
            report.row(what, "FAIL", f"logits are {logits.dtype} {logits.shape}")
        else:
            report.bound(what, training.relative(logits, evaluate(net, values, inputs, survival, scaling)), LOGITS_TOLERANCE)


def check_case(report, arguments, case, directory, sets, rng):
    directory.mkdir()
    data_directory, train_set, test_set = sets[case.data]
    net = make_net(case.model, train_set[0].shape[1:])
    images = normalizer(case.normalize, train_set[0][: case.limit_train])(train_set[0][:BATCH])
    initial = models.random_state(net.double(), rng, torch.from_numpy(images))
    safetensors_io.write(directory / "init.safetensors", initial)
    options = ["--model", case.model, "--data", case.data, "--data-dir", data_directory]
    trained = check_training(report, arguments, case, directory, options + ["--normalize", case.normalize], train_set, initial, rng)
    check_inference(report, arguments, case, directory, options, train_set, test_set, initial, trained)


def compare_epoch(report, arguments, directory, steps=390, batch=128, rate=0.1):
    """Constant depth, paper normalisation, the first 390 batches in order, one learning rate."""
    (pixels, labels), _ = pictures.read_cifar10(arguments.data_dir)
    rng = np.random.default_rng(arguments.seed)
    images = normalizer("paper", pixels)(pixels[: steps * batch])
    net = models.ResNet(3)
    initial = models.random_state(net.double(), rng, torch.from_numpy(images[:batch]))
    for name, value in initial.items():  # gamma 1, beta 0, and fresh running statistics, as a training run begins
        if ".weight" in name and value.ndim == 1 or name.endswith("running_var"):
            value[:] = 1
        elif "bn" in name:
            value[:] = 0
    safetensors_io.write(directory / "init.safetensors", initial)
    start = time.time()
    call(arguments.train, ["--model", "resnet20", "--data", "cifar10", "--data-dir", arguments.data_dir, "--normalize", "paper",
                           "--schedule", "none", "--steps", steps, "--batch", batch, "--lr", rate, "--lr-drop", NO_DROP, "--momentum", 0.9,
                           "--weight-decay", 1e-4, "--nesterov", "--no-shuffle", "--no-augment", "--validation", 0, "--limit-test", 1000,
                           "--init", directory / "init.safetensors", "--out", directory / "epoch"])
    middle = time.time()
    found = read_losses(directory / "epoch")
    cut = lambda values: np.split(values[: steps * batch], steps)
    losses, _, _ = training.run(net, initial, torch.float32, cut(images), cut(labels), None, None, [rate] * steps, "as-code", "test")
    print(f"{steps} steps: program {middle - start:.0f} s, PyTorch {time.time() - middle:.0f} s; mean loss {found.mean():.4f} and "
          f"{losses.mean():.4f}, of the last 50 steps {found[-50:].mean():.4f} and {losses[-50:].mean():.4f}")
    report.row("number of losses", "ok" if len(found) == steps else "FAIL", str(len(found)))
    report.bound("mean training loss, relative", abs(found.mean() / losses.mean() - 1), EPOCH_TOLERANCE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=pathlib.Path, required=True)
    parser.add_argument("--infer", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a third of the cases")
    parser.add_argument("--strict", action="store_true", help="measure by the plain float32 run alone: kinks are failures")
    parser.add_argument("--compare-epoch", action="store_true")
    parser.add_argument("--data-dir", type=pathlib.Path, help="CIFAR-10 binary files, for --compare-epoch")
    arguments = parser.parse_args()
    if arguments.compare_epoch and not arguments.data_dir:
        parser.error("--compare-epoch needs --data-dir")
    if not arguments.compare_epoch and not arguments.infer:
        parser.error("--infer is needed, unless --compare-epoch")

    report = Report()
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        if arguments.compare_epoch:
            compare_epoch(report, arguments, directory)
        else:
            rng = np.random.default_rng(arguments.seed)
            sets = {"cifar10": (directory / "cifar10", *pictures.write_cifar10(directory / "cifar10", rng)),
                    "fashion-mnist": (directory / "fashion", *pictures.write_fashion_mnist(directory / "fashion", rng))}
            for i, case in enumerate(CASES):
                if arguments.quick and not case.quick:
                    continue
                print(f"{case}", flush=True)
                try:
                    check_case(report, arguments, case, directory / f"case{i}", sets, np.random.default_rng([arguments.seed, i]))
                except (RuntimeError, OSError, KeyError, ValueError) as error:
                    report.row("stopped", "FAIL", str(error))
    print(", ".join(f"{count} {verdict}" for verdict, count in report.counts.items()))
    return 1 if report.counts["FAIL"] or arguments.strict and report.counts["kink"] else 0


if __name__ == "__main__":
    sys.exit(main())
