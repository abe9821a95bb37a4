#!/usr/bin/env python3
"""Draws networks that nobody thought of, and looks whether everything agrees about each: agreement.hpp beside this file says what.

    tests/random_networks/draw.py 1 2 3                  three networks of each of these seeds
    tests/random_networks/draw.py $(seq 100) --networks 5
    tests/random_networks/draw.py 7 --bfloat16           with activations kept in bfloat16
    tests/random_networks/draw.py 7 --keep               leaves the program in the folder that is named, to look into what was found

A network is a row of words that fit each other, and may be any of those: layers of few and of many channels, pools and dropouts where one would not put them, norms
and activations in any order, residual blocks of all shortcuts with branches of anything, skipped for the batch, for each image, by the compiler or never. Each seed
is a program, compiled for a quarter of a minute for each network. The compiler and its flags are those of a build tree: --build, build/test as it is made by `cmake --preset test`.
"""
import argparse
import pathlib
import random
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).resolve().parent
repository = here.parents[1]

ACTIVATIONS = ["ReLU", "ReLU", "ReLU", "LeakyReLU<>", "GELU", "SiLU", "Hardswish"]
SHORTCUTS = ["PoolShortcut", "SubsampleShortcut", "ProjectionShortcut"]
BIASES = ["Bias::none", "Bias::none", "Bias::learned"]


class Drawing:
    """A network while its words are drawn: the shape behind them, and what must be known of them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.channels_to_choose = self.pick([[2, 3, 4, 5, 7, 8, 9, 16, 17], [1, 8, 12, 20, 24, 32, 33, 48, 64]])
        self.channels, self.height, self.width = self.pick([1, 2, 3, 4]), *(self.random.randint(5, self.pick([11, 20])) for _ in "hw")
        self.words = []
        self.not_negative = False  # what the last word makes: a skipped block with a ReLU needs it
        self.stochastic = 0  # blocks
        self.schedule = self.pick(["Uniform<0.6>", "LinearDecay<0.5>", "Early<Uniform<0.6>, 0.5>", "@"])  # @: FixedGates, when their number is known

    def pick(self, among):
        return self.random.choice(among)

    def happens(self, probability):
        return self.random.random() < probability

    def window(self, words, window, stride, padding):
        """A word that looks at windows, where they fit."""
        extents = [(extent + 2 * padding - window) // stride + 1 for extent in (self.height, self.width)]
        if min(self.height, self.width) + 2 * padding < window or min(extents) < 1:
            return None
        self.height, self.width = extents
        return words

    def convolution(self):
        kernel, stride = self.pick([1, 3, 3, 3, 5]), self.pick([1, 1, 1, 2])
        padding = self.pick([0, 1]) if kernel > 1 and self.happens(0.15) else kernel // 2
        channels = self.pick(self.channels_to_choose)
        word = self.window(f"Conv<{channels}, {kernel}, {stride}, {self.pick(BIASES)}, {padding}>", kernel, stride, padding)
        if word:
            self.channels = channels
        return word

    def pool(self):
        shape = self.pick([(2, 2, 0), (3, 1, 1), (3, 2, 1), (2, 1, 0)])
        return self.window(f"{self.pick(['AvgPool', 'MaxPool'])}<{', '.join(map(str, shape))}>", *shape)

    def branch(self, channels, stride):
        """Words in any order, of which one changes the shape as wanted."""
        length = self.random.randint(1, 4)
        change = self.random.randrange(length)
        words = []
        for i in range(length):
            if i == change and stride == 2 and channels == self.channels and self.happens(0.3):
                words.append(self.pick(["MaxPool<3, 2, 1>", "AvgPool<3, 2, 1>"]))
            elif i == change and (stride == 2 or channels != self.channels or self.happens(0.8)):
                words.append(f"Conv<{channels}, {self.pick([1, 3, 3, 5])}, {stride}, {self.pick(BIASES)}>")
            else:
                words.append(self.pick(["BN"] * 7 + [self.pick(ACTIVATIONS)] * 7 + ["MaxPool<3, 1, 1>", "AvgPool<3, 1, 1>", "Dropout<0.25>", "Dropout<0.25>"]
                                       + [f"Conv<{channels if i > change else self.channels}, {self.pick([1, 3])}>"] * 3))
        return words

    def block(self):
        after_sum = self.pick(["NoActivation"] * 4 + ["ReLU"] * 3 + [self.pick(["LeakyReLU<>", "GELU", "SiLU"])])
        shortcut, stride, channels = self.pick(SHORTCUTS), 1, self.channels
        if self.happens(0.4):
            stride, channels = self.pick([1, 2]), self.pick([channels, channels + 1, 2 * channels])
            if shortcut == "ProjectionShortcut" and self.happens(0.3):
                channels = max(1, self.channels - 1)
        same = stride == 1 and channels == self.channels
        word = f"BasicResidual<{shortcut}, {after_sum}, {', '.join(self.branch(channels, stride))}>"
        count = self.pick([1, 1, 2, 3]) if same else 1
        skips_exactly = after_sum == "NoActivation" or (after_sum == "ReLU" and self.not_negative)
        if skips_exactly and self.happens(0.75):
            gating = "" if self.schedule == "@" else self.pick(["", "", "", ", Gating::per_sample", ", Gating::per_sample_exact"])
            word = f"StochasticDepth<{word}, {self.schedule}{gating}>"
            self.stochastic += count
        self.channels, self.height, self.width = channels, -(-self.height // stride), -(-self.width // stride)
        self.not_negative = after_sum == "ReLU"
        return f"Repeat<{count}, {word}>" if count > 1 else word

    def network(self):
        shape = f"Input<{self.channels}, {self.height}, {self.width}>"
        for _ in range(self.random.randint(4, 9)):
            kind = self.pick(["convolution"] * 5 + ["norm"] * 3 + ["activation"] * 3 + ["pool"] * 2 + ["dropout"] + ["block"] * 8)
            if kind == "block":
                word = self.block()
            elif kind == "convolution":
                word, self.not_negative = self.convolution(), False
            elif kind == "norm":
                word, self.not_negative = "BN", False
            elif kind == "activation":
                word = self.pick(ACTIVATIONS)
                self.not_negative = word == "ReLU"
            else:
                word = self.pool() if kind == "pool" else "Dropout<0.3>"
            if word:
                self.words.append(word)
            if min(self.height, self.width) < 2:
                break
        self.words += self.pick([["GlobalAvgPool", "Linear<4>"], ["Linear<4>"], ["Linear<6>", self.pick(ACTIVATIONS), "Linear<4>"],
                                 ["Conv<4, 1, 1, Bias::learned>", "GlobalAvgPool"], ["Linear<4>", "BN"]])
        gates = "FixedGates<" + ", ".join(self.pick("01") for _ in range(self.stochastic)) + ">"
        return f"Network<{', '.join([shape, *self.words])}>".replace("@", gates)


def program_of(seed, count, stored):
    networks = [Drawing(f"{seed}.{i}").network() for i in range(count)]
    return "\n".join(["#include <random_networks/agreement.hpp>", "using namespace sdepth;", *(f"using Network{i} = {n};" for i, n in enumerate(networks)),
                      "int main() {", "  int wrong = 0;",
                      *(f'  wrong += test::Agreement<Network{i}, {stored}>("{seed}.{i}", {1000 * seed + i}).run();' for i in range(count)), "  return wrong > 0;", "}", ""]), networks


def flags_for_onnx(messages):
    """What g++ needs to read and write ONNX models; nothing where it would not be able to."""
    protobuf = subprocess.run(["sh", "-c", "pkg-config --cflags --libs protobuf-lite"], text=True, capture_output=True)
    source = messages / "sdepth_onnx.pb.cc"
    return ["-isystem", messages, source, *protobuf.stdout.split()] if source.is_file() and protobuf.returncode == 0 else []


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("seeds", nargs="+", type=int)
    arguments.add_argument("--networks", type=int, default=3, help="of each seed (3)")
    arguments.add_argument("--build", type=pathlib.Path, default=repository / "build/test")
    arguments.add_argument("--compiler", default="c++")
    arguments.add_argument("--bfloat16", action="store_true", help="activations are kept as that")
    arguments.add_argument("--keep", action="store_true", help="leave the programs where they are")
    options = arguments.parse_args()
    flags = options.build.resolve() / "tests" / "g++.flags"
    if not flags.is_file():
        sys.exit(f"{flags} is not there; configure a build for tests first: cmake --preset test, or name one by --build")
    onnx = flags_for_onnx(options.build.resolve() / "sdepth_onnx")
    if not onnx:
        print("ONNX models are left out: the build tree has none of their messages, or pkg-config finds no protobuf")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="random_networks"))
    wrong = 0
    for seed in options.seeds:
        source = folder / f"seed{seed}.cpp"
        text, networks = program_of(seed, options.networks, "bfloat16" if options.bfloat16 else "float")
        source.write_text(text)
        program = source.with_suffix("")
        done = subprocess.run([options.compiler, f"@{flags}", "-w", "-O1", "-ffp-contract=off", "-I", repository / "tests/cuda/emulation", "-I", repository / "tests",
                               source, "-o", program, "-rdynamic", *onnx, "-lpthread", "-ldl"], text=True, capture_output=True)
        if done.returncode == 0:
            try:
                done = subprocess.run([program], text=True, capture_output=True, errors="replace", timeout=600)
            except subprocess.TimeoutExpired:
                done = subprocess.CompletedProcess([program], 1, "not at its end after ten minutes\n", "")
        print(f"seed {seed}: {'all agrees' if done.returncode == 0 else 'does not agree'}", flush=True)
        if done.returncode != 0:
            wrong += 1
            print((done.stdout + done.stderr)[-4000:] + "\n".join(f"{seed}.{i} is {n}" for i, n in enumerate(networks)), flush=True)
        if not options.keep:
            program.unlink(missing_ok=True)
            source.unlink()
    if options.keep:
        print(f"programs are in {folder}")
    else:
        folder.rmdir()
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
