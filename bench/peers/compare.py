#!/usr/bin/env python3
"""Compares the benchmarks train_step and infer with the same work in PyTorch, ONNX Runtime, OpenVINO and dlib, in one interleaved run.

    bench/peers/compare.py --python VENV/bin/python [--quick] [--only REGEX] [--json FILE]

For each benchmark every contender's process is started and warmed up; then come rounds, and in each of them every contender runs for a
moment, one after the other, so that whatever else the machine does hits all alike. A round's figure is the mean time of its steps; the table
shows medians over the rounds. Needs only Python's standard library; a contender that cannot run is left out with a line that says why. See
bench/README.md.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import statistics
import sys
import time

sys.dont_write_bytecode = True  # no __pycache__ among the sources

from contenders import ROOT, Benchmark, LeftOut, Ours, attempt, build_dlib, peers, start_all
from report import print_memory, print_times, say, table

LAYERS = (20, 56, 110)


def cores_in_use(seconds):
    """Cores that are busy now, on average over `seconds`; 0 where the system does not tell."""
    def busy_and_all():
        numbers = [int(word) for word in open("/proc/stat").readline().split()[1:9]]  # user nice system idle iowait irq softirq steal
        return sum(numbers) - numbers[3] - numbers[4], sum(numbers)
    try:
        before = busy_and_all()
        time.sleep(seconds)
        after = busy_and_all()
        return os.cpu_count() * (after[0] - before[0]) / max(1, after[1] - before[1])
    except OSError:
        return 0.0


def seconds_per_round(benchmark, options):
    """Each contender's share of a round; one step at least is made. Steps of training are longer than those of inference."""
    return 0.25 if options.quick else 0.8 if benchmark.work == "train" else 0.4


def measure(benchmark, ours, candidates, options, ceilings, others, left_out):
    """One benchmark's rounds. Returns its entry of the report; appends to `ceilings` and `others` what the machine could do and did meanwhile."""
    seconds = seconds_per_round(benchmark, options)
    contenders = start_all(benchmark, candidates, options, left_out)
    try:
        for contender in contenders.values():  # compiles, and touches memory for the first time
            contender.tell("run 0")
        for peer in list(contenders):
            attempt(contenders, peer, benchmark, left_out, lambda c: c.answer())
        for peer in list(contenders):
            attempt(contenders, peer, benchmark, left_out, lambda c: (c.run(0.1), c.tell("reset"), c.answer()))
        own = {f"sdepth {precision}": benchmark.row(precision) for precision in benchmark.precisions}
        expected_ms = {who: ours.run(row, 0.001, 1)[0] for who, row in own.items()}
        times, peaks = {who: [] for who in own}, {}
        for r in range(options.rounds):
            others.append(cores_in_use(0.1))
            for threads, rate in ours.ceilings().items():
                ceilings[threads].append(rate)
            order = [*own, *contenders]
            for who in order[r % len(order):] + order[:r % len(order)]:  # nobody always follows the same neighbour
                if who in own:
                    ms, peaks[who] = ours.run(own[who], seconds, expected_ms[who])
                    times[who].append(ms)
                elif (result := attempt(contenders, who, benchmark, left_out, lambda c: c.run(seconds))):
                    times.setdefault(who, []).append(1000 * result["seconds"] / result["steps"])
                    peaks[who] = result["peak_mib"]
        entry = {"name": benchmark.name, "work": benchmark.work, "layers": benchmark.layers, "batch": benchmark.batch,
                 "threads": benchmark.threads, "seconds_per_round": seconds, "contenders": []}
        sdepth_ms = statistics.median(times["sdepth float32"])
        gigaflop = benchmark.operations(ours.counts(benchmark.layers)["multiply_adds"]) / 1e9
        ceiling = statistics.median(ceilings[benchmark.threads][-options.rounds:])
        for who in [*own, *contenders]:
            ms = statistics.median(times[who])
            is_peer = who not in own
            entry["contenders"].append({
                "name": who.name if is_peer else "sdepth", "precision": who.precision if is_peer else who.split()[1],
                "version": contenders[who].introduction["version"] if is_peer else None, "median_ms": ms, "rounds_ms": times[who],
                "times_sdepth": ms / sdepth_ms, "of_fp32_ceiling": gigaflop / (ms / 1000) / ceiling, "peak_mib": peaks[who],
                "resident_before_network_mib": contenders[who].introduction["resident_mib"] if is_peer else None})
        return entry
    finally:
        for contender in contenders.values():
            contender.close()


def check(benchmarks, ours, candidates, options, left_out):
    """Whether all contenders have the same number of parameters and of multiply-adds as ours. Returns the exit status."""
    rows, same = [], True
    for benchmark in {(b.work, b.layers): b for b in benchmarks}.values():
        expected = ours.counts(benchmark.layers)
        rows.append([f"{benchmark.work} resnet{benchmark.layers}", "sdepth", *map(str, expected.values()), ""])
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
    parser.add_argument("--python", default=sys.executable, help="interpreter that has torch, onnxruntime and openvino")
    parser.add_argument("--threads", type=int, choices=(1, 2), default=2, help="threads of training and of inference in batches")
    parser.add_argument("--avx2", action="store_true", help="limit the peers to AVX2, one thread; --bench must be built for x86-64-v3")
    parser.add_argument("--only", default="", metavar="REGEX", help="benchmarks whose name matches")
    parser.add_argument("--rounds", type=int, help="interleaved rounds of each benchmark; 7, with --quick 3, if not given")
    parser.add_argument("--quick", action="store_true", help="few short rounds, no compiled training; without --only: ResNet-110, training ResNet-20")
    parser.add_argument("--json", metavar="FILE", help="write all figures there as well")
    parser.add_argument("--check", action="store_true", help="compare parameters and multiply-adds of all contenders instead of times")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 7)
    options.threads = 1 if options.avx2 else options.threads
    if options.avx2 and pathlib.Path(options.bench).resolve() == release:
        parser.error("--avx2 compares with a build for the same instructions: cmake --preset release -B build/avx2 -D SDEPTH_MARCH=x86-64-v3, "
                     "then build its target bench and name it by --bench build/avx2/bench/bench")
    if not os.access(options.bench, os.X_OK):
        parser.error(f"{options.bench} is no program; build it (cmake --preset release, then its target bench) or name it by --bench")
    return options


def main():
    options, left_out = parse(), []
    ours = Ours(options.bench, options.threads)
    benchmarks = [Benchmark("train", n, 128, options.threads) for n in LAYERS]
    benchmarks += [Benchmark("infer", n, batch, 1 if batch == 1 else options.threads) for n in LAYERS for batch in (1, 128)]
    if options.quick and not options.only:
        benchmarks = [b for b in benchmarks if b.layers == 110 or (b.work, b.layers) == ("train", 20)]
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

    ceilings, others = {1: [], 2: []}, []
    report = {"processor": processor(), "cores": os.cpu_count(), "date": datetime.date.today().isoformat(), "avx2": options.avx2,
              "rounds": options.rounds, "benchmarks": []}
    for benchmark in benchmarks:
        say(benchmark.name)
        report["benchmarks"].append(measure(benchmark, ours, candidates, options, ceilings, others, left_out))
        report["others_cores"] = statistics.mean(others)
        report["ceiling_gflops"] = {threads: statistics.median(rates) for threads, rates in ceilings.items()}
        report["left_out"] = list(dict.fromkeys(left_out))
        if options.json:  # after each, so that an interrupted run leaves what it has
            pathlib.Path(options.json).write_text(json.dumps(report, indent=1))

    versions = sorted({c["version"] for b in report["benchmarks"] for c in b["contenders"] if c["version"]})
    print(f"{report['processor']}, {report['cores']} cores, {report['date']}; {', '.join(versions) or 'no peers'}"
          + "; peers limited to AVX2" * options.avx2)
    print(f"fp32 multiply-add ceiling in this run: {report['ceiling_gflops'][1]:.0f} GFLOP/s with 1 thread, "
          f"{report['ceiling_gflops'][2]:.0f} with 2; medians of {options.rounds} rounds")
    if report["others_cores"] > 0.1:
        print(f"The machine was busy: between the rounds other programs used {report['others_cores']:.1f} cores on average. "
              "These figures are worth little; run again when nothing else runs.")
    print_times(report, "float32")
    print_times(report, "bf16")
    print_memory(report)
    print("\n".join(["", *report["left_out"]]))
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
