"""The contenders of compare.py: which there are, how their processes are started and talked to, and our own program."""
import dataclasses
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import tempfile

from report import say

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "peers"  # what the contenders compile
PATIENCE = 600  # seconds for one answer of a contender, which may have to compile its network first


@dataclasses.dataclass(frozen=True)
class Benchmark:
    work: str  # train or infer
    layers: int
    batch: int
    threads: int
    precisions = ("float32", "bf16")   # those that our program has it in

    def row(self, precision):
        """Our program's name for it. precision: what activations (training) or weights (inference) lie in memory as"""
        storage = "/bf16" if precision == "bf16" else ""
        return (f"train_step/resnet{self.layers}{storage}/survival:1.0" if self.work == "train"
                else f"infer/resnet{self.layers}{storage}/batch:{self.batch}")

    @property
    def name(self):
        return self.row("float32")

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
    """A peer's process with one benchmark's network; bench/peers/serve.py says how it is talked to."""

    def __init__(self, command, environment):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env=environment)
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
        command = [self.program, f"--benchmark_filter={pattern}", "--benchmark_format=json", f"--benchmark_min_time={seconds}"]
        report = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
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

    def run(self, name, seconds, expected_ms):
        """Mean milliseconds of a step over about `seconds`, and the peak memory in MiB if the benchmark tells."""
        row = self.rows([name], seconds, max(1, round(1000 * seconds / expected_ms)))[name]
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
    def openvino(precision):
        return Peer("OpenVINO", precision, lambda b: [python, HERE / "openvino_contender.py", b.layers, b.batch, b.threads, precision]
                    if b.work == "infer" else None, ("openvino", "onnx", "numpy"))

    dlib = Peer("dlib", "float32", lambda b: [dlib_program(options)] if b.work == "train" and b.layers == 20 else None)
    candidates = [torch("eager", "float32"), torch("compiled", "float32"), onnxruntime, openvino("float32"), dlib]
    if options.avx2:
        candidates = [peer for peer in candidates if peer.name not in ("ONNX Runtime", "OpenVINO")]
        for name in ("ONNX Runtime", "OpenVINO"):
            left_out.append(f"{name}: left out, it chooses AVX-512 kernels by itself and has no option against it")
        left_out.append("bf16: left out, its instructions belong to AVX-512")
    else:
        candidates += [torch("eager", "bf16"), torch("compiled", "bf16"), openvino("bf16")]
    if options.quick:
        left_out.append("PyTorch compiled: left out for training and bf16, compiling takes too long for --quick")

    modules = sorted({module for peer in candidates for module in peer.needs})
    look = "import importlib.util as u, sys\nprint(*[m for m in sys.argv[1:] if not u.find_spec(m)])"
    missing = subprocess.run([python, "-c", look, *modules], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    left_out.extend(f"{module}: left out, not importable by {python}" for module in missing if module in ("torch", "onnxruntime", "openvino"))
    left_out.extend(f"{name}: left out, {module}, which makes its graph, is not importable by {python}"
                    for name in ("onnxruntime", "openvino") for module in missing if module in ("onnx", "numpy") and name not in missing)
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
    result = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS=str(benchmark.threads), MKL_NUM_THREADS=str(benchmark.threads),
                  OPENBLAS_NUM_THREADS=str(benchmark.threads), TORCHINDUCTOR_CACHE_DIR=str(BUILD / "inductor"))
    if options.avx2:
        result.update(ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2", MKL_ENABLE_INSTRUCTIONS="AVX2", OPENBLAS_CORETYPE="Haswell")
    return result


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
