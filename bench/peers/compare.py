#!/usr/bin/env python3
"""Compares the benchmarks train_step and infer with the same work in PyTorch, ONNX Runtime and dlib, in one interleaved run.

    bench/peers/compare.py --python VENV/bin/python [--quick] [--only REGEX] [--json FILE]

For each benchmark every contender's process is started and warmed up; then come rounds, and in each of them every contender runs for a moment,
one after the other, so that whatever else the machine does hits all alike. A round's figure is the mean time of its steps; the table shows medians
over the rounds. Needs only Python's standard library; a contender that cannot run is left out with a line that says why. See bench/README.md.
"""
import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "peers"  # what the contenders compile
LAYERS = (20, 56, 110)
PATIENCE = 600  # seconds for one answer of a contender, which may have to compile its network first


@dataclasses.dataclass(frozen=True)
class Benchmark:
    work: str  # train or infer
    layers: int
    batch: int
    threads: int

    @property
    def name(self):
        return f"train_step/resnet{self.layers}/survival:1.0" if self.work == "train" else f"infer/resnet{self.layers}/batch:{self.batch}"

    def operations(self, multiply_adds):
        """Floating-point operations of a step; a training step counts as three forward passes."""
        return 2 * multiply_adds * self.batch * (3 if self.work == "train" else 1)


@dataclasses.dataclass(frozen=True)
class Peer:
    name: str
    precision: str
    command: object                    # Benchmark -> list of words, or None where the peer does not do this benchmark
    needs: tuple = ()                  # modules of the contenders' Python


class LeftOut(Exception):
    """A contender that cannot run, and why."""


class Contender:
    """A peer's process with one benchmark's network; bench/peers/contender.py says how it is talked to."""

    def __init__(self, command, environment):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env=environment, cwd=HERE)
        self.introduction = None

    def tell(self, command):
        try:
            self.process.stdin.write(command.encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            pass  # the process has ended; answer() finds out why

    def answer(self):
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise LeftOut(f"did not answer within {PATIENCE} s")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = self.errors.read().decode(errors="replace").strip().splitlines()[-1:]
            raise LeftOut(f"its process ended with status {self.process.returncode}" + "".join(f": {text}" for text in last))
        return json.loads(line)

    def run(self, seconds):
        self.tell(f"run {seconds}")
        return self.answer()

    def close(self):
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


class Ours:
    """Our benchmark program."""

    def __init__(self, program, threads):
        self.program, self.threads = program, threads

    def rows(self, names, seconds, steps=None):
        """The rows of the program's report, by benchmark name."""
        pattern = "^(" + "|".join(re.escape(name) for name in names) + ")(/iterations|/real_time|$)"
        environment = dict(os.environ, SDEPTH_BENCH_THREADS=str(self.threads))
        if steps:
            environment["SDEPTH_BENCH_STEPS"] = str(steps)
        report = subprocess.run([self.program, f"--benchmark_filter={pattern}", "--benchmark_format=json", f"--benchmark_min_time={seconds}"],
                                env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        rows = {}
        if report.returncode == 0 and report.stdout.strip():
            for row in json.loads(report.stdout)["benchmarks"]:
                rows.update({name: row for name in names if row["name"].startswith(name) and "real_time" in row})
        if set(rows) != set(names):
            raise SystemExit(f"{self.program}: expected the benchmarks {', '.join(names)}, found {', '.join(rows) or 'none'}"
                             f" (status {report.returncode}): {report.stderr.strip()[-300:]}")
        return rows

    def ceilings(self):
        """GFLOP/s of multiply-adds alone, by number of threads."""
        rows = self.rows([f"peak/fp32/threads:{threads}" for threads in (1, 2)], 0.05)
        return {int(name[-1]): row["GFLOPS"] for name, row in rows.items()}

    def counts(self, layers):
        row = self.rows([f"infer/resnet{layers}/batch:1"], 0.001)[f"infer/resnet{layers}/batch:1"]
        return {"parameters": round(row["parameters"]), "multiply_adds": round(row["multiply_adds"])}

    def run(self, benchmark, seconds, expected_ms):
        """Mean milliseconds of a step over about `seconds`, and the peak memory in MiB if the benchmark tells."""
        row = self.rows([benchmark.name], seconds, max(1, round(1000 * seconds / expected_ms)))[benchmark.name]
        return row["real_time"] * {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3}[row["time_unit"]], row.get("peak_mib")


def peers(options, left_out):
    """The peers that can run here, and lines about the others."""
    python = options.python

    def torch(mode, precision):
        def command(b):
            if options.quick and mode == "compiled" and (b.work == "train" or precision == "bf16"):
                return None  # compiling takes longer than everything else
            return [python, HERE / "torch_contender.py", b.work, b.layers, b.batch, b.threads, mode, precision]
        return Peer(f"PyTorch {mode}", precision, command, ("torch",))

    onnxruntime = Peer("ONNX Runtime", "float32", lambda b: [python, HERE / "onnxruntime_contender.py", b.layers, b.batch, b.threads]
                       if b.work == "infer" else None, ("onnxruntime", "onnx", "numpy"))
    dlib = Peer("dlib", "float32", lambda b: [dlib_program(options)] if b.work == "train" and b.layers == 20 else None)
    candidates = [torch("eager", "float32"), torch("compiled", "float32"), onnxruntime, dlib]
    if options.avx2:
        candidates.remove(onnxruntime)
        left_out.append("ONNX Runtime: left out, it chooses AVX-512 kernels by itself and has no option against it")
        left_out.append("bf16: left out, its instructions belong to AVX-512")
    else:
        candidates += [torch("eager", "bf16"), torch("compiled", "bf16")]
    if options.quick:
        left_out.append("PyTorch compiled: left out for training and bf16, compiling takes too long for --quick")

    modules = sorted({module for peer in candidates for module in peer.needs})
    probe = subprocess.run([python, "-c", "import importlib.util as u, sys\nprint(*[m for m in sys.argv[1:] if not u.find_spec(m)])", *modules],
                           stdout=subprocess.PIPE, text=True, check=True)
    missing = probe.stdout.split()
    left_out.extend(f"{module}: left out, not importable by {python}" for module in missing if module in ("torch", "onnxruntime"))
    left_out.extend(f"onnxruntime: left out, {module}, which makes its graph, is not importable by {python}" for module in missing
                    if module in ("onnx", "numpy") and "onnxruntime" not in missing)
    return [peer for peer in candidates if not set(peer.needs) & set(missing)]


def march(options):
    return "x86-64-v3" if options.avx2 else "native"


def dlib_program(options):
    return BUILD / f"dlib_contender-{march(options)}"


def build_dlib(options):
    """Compiles dlib's contender where it is older than its source. Raises LeftOut."""
    source, program = HERE / "dlib_contender.cpp", dlib_program(options)
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return
    compiler = shutil.which("g++") or shutil.which("c++")
    if not compiler:
        raise LeftOut("no C++ compiler was found")
    command = [compiler, "-std=c++17", "-O3", f"-march={march(options)}", "-w", str(source), "-o", str(program), "-ldlib", "-lopenblas"]
    say("compiling dlib's contender (about 25 s)")
    BUILD.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        reasons = [line for line in result.stdout.splitlines() if "error" in line or "cannot find" in line]
        raise LeftOut("it does not compile (Debian: libdlib-dev and libopenblas-dev): " + (reasons or ["no message"])[0])


def environment(options, benchmark):
    """What the contenders' libraries read: threads, caches and, with --avx2, the instructions that they may use."""
    result = dict(os.environ, OMP_NUM_THREADS=str(benchmark.threads), MKL_NUM_THREADS=str(benchmark.threads),
                  OPENBLAS_NUM_THREADS=str(benchmark.threads), TORCHINDUCTOR_CACHE_DIR=str(BUILD / "inductor"))
    if options.avx2:
        result.update(ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2", MKL_ENABLE_INSTRUCTIONS="AVX2", OPENBLAS_CORETYPE="Haswell")
    return result


def say(text):
    print(f"[{time.monotonic() - BEGIN:5.0f} s] {text}", file=sys.stderr, flush=True)


def start_all(benchmark, candidates, options, left_out):
    """Starts the contenders of a benchmark, all at once, and waits until each has its network. {peer: Contender}"""
    contenders = {}
    for peer in candidates:
        command = peer.command(benchmark)
        if command:
            contenders[peer] = Contender([str(word) for word in command], environment(options, benchmark))
    for peer in list(contenders):
        attempt(contenders, peer, benchmark, left_out, lambda c: setattr(c, "introduction", c.answer()))
    return contenders


def attempt(contenders, peer, benchmark, left_out, what):
    """what(contender), or the contender is closed and left out of this benchmark."""
    try:
        return what(contenders[peer])
    except LeftOut as reason:
        left_out.append(f"{peer.name}, {peer.precision}: left out of {benchmark.name}, {reason}")
        contenders.pop(peer).close()
        return None


def measure(benchmark, ours, candidates, options, ceilings, left_out):
    """One benchmark's rounds. Returns its entry of the report."""
    contenders = start_all(benchmark, candidates, options, left_out)
    try:
        for contender in contenders.values():  # compiles, and touches memory for the first time
            contender.tell("run 0")
        for peer in list(contenders):
            attempt(contenders, peer, benchmark, left_out, lambda c: c.answer())
        for peer in list(contenders):
            attempt(contenders, peer, benchmark, left_out, lambda c: (c.run(0.1), c.tell("reset"), c.answer()))
        expected_ms, _ = ours.run(benchmark, 0.001, 1)
        times, peaks = {"sdepth": []}, {}
        for r in range(options.rounds):
            for threads, rate in ours.ceilings().items():
                ceilings[threads].append(rate)
            order = ["sdepth", *contenders]
            for who in order[r % len(order):] + order[:r % len(order)]:  # nobody always follows the same neighbour
                if who == "sdepth":
                    ms, peaks[who] = ours.run(benchmark, options.seconds, expected_ms)
                    times[who].append(ms)
                elif (result := attempt(contenders, who, benchmark, left_out, lambda c: c.run(options.seconds))):
                    times.setdefault(who, []).append(1000 * result["seconds"] / result["steps"])
                    peaks[who] = result["peak_mib"]
        entry = {"name": benchmark.name, "work": benchmark.work, "layers": benchmark.layers, "batch": benchmark.batch,
                 "threads": benchmark.threads, "contenders": []}
        sdepth_ms = statistics.median(times["sdepth"])
        gigaflop = benchmark.operations(ours.counts(benchmark.layers)["multiply_adds"]) / 1e9
        ceiling = statistics.median(ceilings[benchmark.threads][-options.rounds:])
        for who in ["sdepth", *contenders]:
            ms = statistics.median(times[who])
            is_peer = who != "sdepth"
            entry["contenders"].append({
                "name": who.name if is_peer else who, "precision": who.precision if is_peer else "float32",
                "version": contenders[who].introduction["version"] if is_peer else None, "median_ms": ms, "rounds_ms": times[who],
                "times_sdepth": ms / sdepth_ms, "of_fp32_ceiling": gigaflop / (ms / 1000) / ceiling, "peak_mib": peaks[who],
                "resident_before_network_mib": contenders[who].introduction["resident_mib"] if is_peer else None})
        return entry
    finally:
        for contender in contenders.values():
            contender.close()


def table(header, rows):
    """A Markdown table; the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    line = lambda row: "| " + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) + " |"
    return "\n".join([line(header), "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|",
                      *map(line, rows)])


def milliseconds(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def print_times(report, precision):
    present = {c["name"] for b in report["benchmarks"] for c in b["contenders"] if c["precision"] == precision}
    names = [name for name in ("PyTorch eager", "PyTorch compiled", "ONNX Runtime", "dlib") if name in present]
    if not names:
        return
    rows = []
    for b in report["benchmarks"]:
        ours = next(c for c in b["contenders"] if c["name"] == "sdepth")
        of = {c["name"]: c for c in b["contenders"] if c["precision"] == precision and c["name"] != "sdepth"}
        best = min(of.values(), key=lambda c: c["median_ms"], default=None)
        cells = [f"{milliseconds(of[n]['median_ms'])} ({of[n]['times_sdepth']:.2f})" if n in of else "" for n in names]
        rows.append([f"{b['name']}, {b['threads']} thread{'s' * (b['threads'] > 1)}", milliseconds(ours["median_ms"]),
                     f"{100 * ours['of_fp32_ceiling']:.0f} %", *cells,
                     f"{best['times_sdepth']:.2f}" if best else "", f"{100 * best['of_fp32_ceiling']:.0f} %" if best else ""])
    title = "float32: median milliseconds of a step; in brackets the same divided by sdepth's" if precision == "float32" else \
        "bf16 by autocast, apart: PyTorch's arithmetic is bf16, sdepth's is float32"
    print(f"\n{title}\n\n" + table(["benchmark", "sdepth", "of fp32 ceiling", *names, "best peer / sdepth", "its share of fp32 ceiling"], rows))


def print_memory(report):
    for b in report["benchmarks"]:
        if b["work"] == "train" and b["layers"] == 110:
            before = lambda c: c["resident_before_network_mib"]
            print(f"\nPeak resident memory of {b['name']}, MiB\n\n" + table(
                ["contender", "peak", "of it before the network was made"],
                [[f"{c['name']}, {c['precision']}", f"{c['peak_mib']:.0f}", f"{before(c):.0f}" if before(c) else ""] for c in b["contenders"]]))


def check(benchmarks, ours, candidates, options, left_out):
    """Whether all contenders have the same number of parameters and of multiply-adds as ours. Returns the exit status."""
    rows, same = [], True
    for benchmark in {(b.work, b.layers): b for b in benchmarks}.values():
        expected = ours.counts(benchmark.layers)
        rows.append([f"{benchmark.work} resnet{benchmark.layers}", "sdepth", str(expected["parameters"]), str(expected["multiply_adds"]), ""])
        contenders = start_all(benchmark, candidates, options, left_out)
        for peer, contender in contenders.items():
            found = {key: contender.introduction[key] for key in expected}
            same = same and found == expected
            rows.append(["", f"{peer.name}, {peer.precision}", str(found["parameters"]), str(found["multiply_adds"]),
                         "same" if found == expected else "DIFFERENT"])
            contender.close()
    print(table(["network", "contender", "parameters", "multiply-adds of an image", "work"], rows))
    print("\n".join(["", *dict.fromkeys(left_out)]))
    print("All contenders do the same work." if same else "Not all contenders do the same work; the table says which.")
    return 0 if same else 1


def processor():
    try:
        return next(line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown processor"


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    release = ROOT / "build/release/bench/bench"
    parser.add_argument("--bench", default=str(release), help="our benchmark program")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has torch and onnxruntime")
    parser.add_argument("--threads", type=int, choices=(1, 2), default=2, help="threads of training and of inference in batches")
    parser.add_argument("--avx2", action="store_true", help="limit the peers to AVX2, one thread; --bench must be built for x86-64-v3")
    parser.add_argument("--only", default="", metavar="REGEX", help="benchmarks whose name matches")
    parser.add_argument("--rounds", type=int, help="interleaved rounds of each benchmark (default: 7, with --quick 3)")
    parser.add_argument("--quick", action="store_true", help="ResNet-20 and 110, few short rounds, no compiled training")
    parser.add_argument("--json", metavar="FILE", help="write all figures there as well")
    parser.add_argument("--check", action="store_true", help="compare parameters and multiply-adds of all contenders instead of times")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 7)
    options.seconds = 0.25 if options.quick else 0.8  # each contender's share of a round
    options.threads = 1 if options.avx2 else options.threads
    if options.avx2 and pathlib.Path(options.bench).resolve() == release:
        parser.error("--avx2 compares with a build for the same instructions: cmake --preset release -B build/avx2 -D SDEPTH_MARCH=x86-64-v3, then "
                     "build its target bench and name it by --bench build/avx2/bench/bench")
    if not os.access(options.bench, os.X_OK):
        parser.error(f"{options.bench} is no program; build it (cmake --preset release, then its target bench) or name it by --bench")
    return options


def main():
    options, left_out = parse(), []
    ours = Ours(options.bench, options.threads)
    layers = [n for n in LAYERS if not options.quick or n != 56]
    benchmarks = [Benchmark("train", n, 128, options.threads) for n in layers]
    benchmarks += [Benchmark("infer", n, batch, 1 if batch == 1 else options.threads) for n in layers for batch in (1, 128)]
    benchmarks = [b for b in benchmarks if re.search(options.only, b.name)]
    if not benchmarks:
        raise SystemExit(f"--only {options.only}: no benchmark has such a name")
    candidates = peers(options, left_out)
    if any(peer.name == "dlib" and peer.command(b) for peer in candidates for b in benchmarks):
        try:
            build_dlib(options)
        except LeftOut as reason:
            left_out.append(f"dlib: left out, {reason}")
            candidates = [peer for peer in candidates if peer.name != "dlib"]
    if options.check:
        return check(benchmarks, ours, candidates, options, left_out)

    ceilings = {1: [], 2: []}
    report = {"processor": processor(), "cores": os.cpu_count(), "date": datetime.date.today().isoformat(), "avx2": options.avx2,
              "rounds": options.rounds, "seconds_per_round": options.seconds, "benchmarks": []}
    for benchmark in benchmarks:
        say(benchmark.name)
        report["benchmarks"].append(measure(benchmark, ours, candidates, options, ceilings, left_out))
    report["ceiling_gflops"] = {threads: statistics.median(rates) for threads, rates in ceilings.items()}
    report["left_out"] = list(dict.fromkeys(left_out))

    versions = sorted({c["version"] for b in report["benchmarks"] for c in b["contenders"] if c["version"]})
    print(f"{report['processor']}, {report['cores']} cores, {report['date']}; {', '.join(versions)}" + ("; peers limited to AVX2" * options.avx2))
    print(f"fp32 multiply-add ceiling in this run: {report['ceiling_gflops'][1]:.0f} GFLOP/s with 1 thread, "
          f"{report['ceiling_gflops'][2]:.0f} with 2; medians of {options.rounds} rounds")
    print_times(report, "float32")
    print_times(report, "bf16")
    print_memory(report)
    print("\n".join(["", *report["left_out"]]))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=1))
    say("done")
    return 0


BEGIN = time.monotonic()
if __name__ == "__main__":
    sys.exit(main())
