#!/usr/bin/env python3
"""Measures what compiling a training program costs for networks of 20, 110 and 1202 layers: seconds, memory and size of the code.

    bench/compile_time/measure.py [--rounds N] [-O 2|3] [--json FILE]

Depth is a loop in sdepth, not a list of types, so the cost must hardly grow: the goal is 1202 layers in at most 1.25 times the time of 20.
Compiles train.cpp once per round for each compiler and depth, one after the other, and shows medians over the rounds. See bench/README.md.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LAYERS = (20, 110, 1202)
GOAL = 1.25  # 1202 layers to 20, seconds
CLANGS = [f"clang++-{version}" for version in range(22, 17, -1)] + ["clang++"]  # as cmake/clang.cmake: earlier ones lack what is needed
EIGEN = next((path for path in ("/usr/include/eigen3", "/usr/local/include/eigen3") if os.path.isdir(path)), None)
# The flags of the release preset and of cmake/own_targets.cmake; -O comes from the command line.
FLAGS = ["-std=c++20", "-DNDEBUG", "-march=native", "-mprefer-vector-width=512"]


def compile_once(compiler, flags, layers, folder):
    """{seconds: wall time, cpu_seconds, mib: the compiler's most resident memory, code_kib: all code in the object}.

    SystemExit with the compiler's words if it does not compile.
    """
    target = os.path.join(folder, "train.o")
    command = [compiler, *flags, f"-DSDEPTH_LAYERS={layers}", "-c", str(HERE / "train.cpp"), "-o", target]
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)  # the usage of this process and its children alone
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            errors.seek(0)
            words = errors.read().decode(errors="replace")[:3000]
            raise SystemExit(f"{' '.join(command)}: ended with status {process.returncode}:\n{words}")
    sections = subprocess.run(["size", "-A", target], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    code = sum(int(line.split()[1]) for line in sections if line.startswith(".text"))
    return {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024, "code_kib": code / 1024}


def find_compilers(wanted):
    """Those that are there, and a line about each that is not."""
    if wanted:
        return [c for c in wanted if shutil.which(c)], [f"{c}: left out, not found" for c in wanted if not shutil.which(c)]
    found, missing = [], []
    if shutil.which("g++"):
        found.append("g++")
    else:
        missing.append("g++: left out, not found")
    clang = next((c for c in CLANGS if shutil.which(c) and version_of(c) >= 18), None)
    if clang:
        found.append(clang)
    else:
        missing.append("clang: left out, none from 18 on was found")
    return found, missing


def version_of(compiler):
    return int(subprocess.run([compiler, "-dumpversion"], stdout=subprocess.PIPE, text=True).stdout.split(".")[0] or 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-O", dest="level", choices="23", default="3", help="optimisation level; 3 is the release preset's")
    parser.add_argument("--compiler", action="append", help="instead of g++ and the newest clang; may be repeated")
    parser.add_argument("--include", action="append", default=[], metavar="DIR", help="where xsimd or Eigen lie, if in no usual place")
    parser.add_argument("--json", metavar="FILE", help="write all figures there as well")
    options = parser.parse_args()
    compilers, missing = find_compilers(options.compiler)
    includes = [ROOT / "include", *options.include, *([EIGEN] if EIGEN else [])]
    flags = [f"-O{options.level}", *FLAGS, *(word for path in includes for word in ("-isystem", str(path)))]

    figures = {(compiler, layers): [] for compiler in compilers for layers in LAYERS}
    with tempfile.TemporaryDirectory() as folder:
        for r in range(options.rounds):
            for (compiler, layers), rounds in figures.items():
                print(f"round {r + 1} of {options.rounds}: {compiler}, {layers} layers", file=sys.stderr, flush=True)
                rounds.append(compile_once(compiler, flags, layers, folder))

    print(f"-O{options.level} {' '.join(FLAGS)}; medians of {options.rounds} rounds\n")
    print("| compiler    | layers | seconds | CPU seconds |  MiB | code KiB | seconds / those of 20 layers |")
    print("|-------------|-------:|--------:|------------:|-----:|---------:|-----------------------------:|")
    report, reached = [], True
    for (compiler, layers), rounds in figures.items():
        median = {key: statistics.median(figure[key] for figure in rounds) for key in rounds[0]}
        of_20 = median["seconds"] / statistics.median(figure["seconds"] for figure in figures[compiler, 20])
        reached = reached and (layers != 1202 or of_20 <= GOAL)
        report.append({"compiler": compiler, "version": version_of(compiler), "layers": layers, "level": int(options.level), **median,
                       "times_20_layers": of_20, "rounds": rounds})
        name = compiler if compiler.startswith("clang++-") else f"{compiler} {version_of(compiler)}"
        print(f"| {name:11} | {layers:6} | {median['seconds']:7.1f} | {median['cpu_seconds']:11.1f} | {median['mib']:4.0f} | "
              f"{median['code_kib']:8.0f} | {of_20:28.2f} |")
    print("\n".join(["", *missing]))
    if compilers:
        print(f"Goal, 1202 layers in at most {GOAL} times the seconds of 20: {'reached' if reached else 'not reached'}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=1))
    return 0 if compilers else 1


if __name__ == "__main__":
    sys.exit(main())
