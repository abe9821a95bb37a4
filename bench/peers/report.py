"""What compare.py prints: Markdown tables of its figures, and where it is meanwhile."""
import sys
import time

BEGIN = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - BEGIN:5.0f} s] {text}", file=sys.stderr, flush=True)


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
    names = [name for name in ("PyTorch eager", "PyTorch compiled", "ONNX Runtime", "OpenVINO", "dlib") if name in present]
    if not present and precision != "float32":
        return
    rows = []
    for b in report["benchmarks"]:
        own = {c["precision"]: c for c in b["contenders"] if c["name"] == "sdepth"}
        if precision not in own and precision != "float32" and not any(c["precision"] == precision for c in b["contenders"]):
            continue
        ours = own.get(precision, own["float32"])
        of = {c["name"]: c for c in b["contenders"] if c["precision"] == precision and c["name"] != "sdepth"}
        best = min(of.values(), key=lambda c: c["median_ms"], default=None)
        times = lambda c: c["median_ms"] / ours["median_ms"]
        cells = [f"{milliseconds(of[n]['median_ms'])} ({times(of[n]):.2f})" if n in of else "" for n in names]
        rows.append([f"{b['name']}, {b['threads']} thread{'s' * (b['threads'] > 1)}",
                     milliseconds(ours["median_ms"]) + " in float32" * (ours["precision"] != precision),
                     f"{100 * ours['of_fp32_ceiling']:.0f} %", *cells,
                     f"{times(best):.2f}" if best else "", f"{100 * best['of_fp32_ceiling']:.0f} %" if best else ""])
    title = "float32: median milliseconds of a step; in brackets the same divided by sdepth's" if precision == "float32" else \
        "bf16: the peers' arithmetic is bf16, sdepth's is float32 on activations (training) or weights (inference) stored as bfloat16"
    header = ["benchmark", "sdepth", "of fp32 ceiling", *names, "best peer / sdepth", "its share of fp32 ceiling"]
    print(f"\n{title}\n\n" + table(header, rows))


def print_memory(report):
    for b in report["benchmarks"]:
        if b["work"] == "train" and b["layers"] == 110:
            rows = [[f"{c['name']}, {c['precision']}", f"{c['peak_mib']:.0f}", f"{c['resident_before_network_mib'] or 0:.0f}"]
                    for c in b["contenders"]]
            print(f"\nPeak resident memory of {b['name']}, MiB\n\n" + table(["contender", "peak", "of it before the network was made"], rows))
