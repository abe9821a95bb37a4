"""Tables and plots out of the folders of runs: results.md and the SVG files that it shows."""

import math
import shlex
import sys
from pathlib import Path

from experiments import EXPERIMENTS, GROUPS
from folders import keep_record, mean_and_spread, read_run, write_whole
from plots import line_chart, shade_chart


def folder_of(out, experiment, variant, seed):
    return Path(out) / f"{experiment.name}-{variant.name}-{seed}"


def runs_in(out, experiment):
    """{variant name: {seed: RunState}} of all seeds that are there, those without a whole epoch left out."""
    found = {}
    for variant in experiment.variants:
        prefix = f"{experiment.name}-{variant.name}-"
        for folder in Path(out).glob(prefix + "*"):
            seed = folder.name[len(prefix):]
            state = read_run(folder) if seed.isdigit() else None
            difference = variant.differs_from(state.options) if state else ""
            if difference:
                print(f"reproduce: {folder} was trained with {difference}, so it is left out", file=sys.stderr)
            elif state and state.rows:
                found.setdefault(variant.name, {})[int(seed)] = state
    return {name: dict(sorted(seeds.items())) for name, seeds in found.items()}


def number(value, digits=2):
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def with_spread(values, digits=2):
    """"6.41", or for several runs "6.41 ± 0.20"."""
    mean, spread = mean_and_spread(values)
    return number(mean, digits) + ("" if math.isnan(spread) else f" ± {spread:.{digits}f}")


def length_text(experiment, states):
    """How much of the schedule these runs are: never to be left out where the runs are shorter."""
    asked = sorted({state.epochs for state in states})
    lengths = " or ".join(str(n) for n in asked)
    if asked == [experiment.epochs]:
        return f"The whole of {experiment.schedule}, {experiment.epochs} epochs."
    text = f"**{lengths} of {experiment.epochs} epochs of {experiment.schedule}**; the learning rate drops at the same fractions of the run."
    if experiment.short_warm_up:
        text += f" So short a run begins at a tenth of it (`--warm-up {experiment.short_warm_up}`)."
    if any(variant.paper is not None for variant in experiment.variants):
        text += " The paper's errors are those of the whole schedule: so short a run cannot show them, only which network is ahead when it ends."
    return text


def _row(cells):
    return "| " + " | ".join(cells) + " |\n"


def table_of(experiment, runs):
    header = ("network", "seed", "epochs done", "test error at the lowest validation error, %", "final test error, %", "s per epoch, median (mean)",
              "blocks per step", "paper, %")
    text = _row(header) + "|" + "---|" * len(header) + "\n"
    for variant in experiment.variants:
        seeds = runs.get(variant.name, {})
        for seed, state in seeds.items():
            done = f"{state.done} of {state.epochs}" + ("" if state.finished else ", unfinished")
            text += _row((variant.name, str(seed), done, f"{number(state.best()['test_error'])} (epoch {state.best()['epoch']:.0f})",
                          number(state.rows[-1]["test_error"]), f"{number(state.median('seconds'), 1)} ({number(state.mean('seconds'), 1)})", number(state.mean("blocks_run"), 1),
                          number(variant.paper)))
        finished = [state for state in seeds.values() if state.finished]
        if len(finished) > 1:
            text += _row((f"**{variant.name}**", f"mean ± spread of {len(finished)}", "",
                          f"**{with_spread([s.best()['test_error'] for s in finished])}**",
                          with_spread([s.rows[-1]["test_error"] for s in finished]), with_spread([s.median("seconds") for s in finished], 1),
                          with_spread([s.mean("blocks_run") for s in finished], 1), number(variant.paper)))
    return text


def comparison_of(experiment, runs):
    """Constant depth against each other network in words, beside the paper, over the seeds of which both are finished."""
    return "".join(_against_constant(experiment, runs, variant) for variant in experiment.variants if variant.name != "constant")


def _against_constant(experiment, runs, variant):
    constant, others = runs.get("constant", {}), runs.get(variant.name, {})
    pairs = [(constant[seed], others[seed]) for seed in constant if seed in others and constant[seed].finished and others[seed].finished]
    if not pairs:
        return ""
    papers = {v.name: v.paper for v in experiment.variants}
    changes = [s.best()["test_error"] - c.best()["test_error"] for c, s in pairs]
    change, spread = mean_and_spread(changes)
    text = f"- Test error, {variant.name} minus constant depth: {change:+.2f} points"
    if papers["constant"] is not None and variant.paper is not None:
        text += f" (paper: {variant.paper - papers['constant']:+.2f})"
    if len(pairs) == 1:
        text += "; of one seed, so nobody knows how far chance moves it.\n"
    else:
        error = spread / math.sqrt(len(pairs))
        text += f", seed by seed {', '.join(f'{c:+.2f}' for c in changes)}: a standard error of {error:.2f}"
        text += "; less than two of those, so chance alone could do that.\n" if abs(change) < 2 * error else ".\n"
    times = [s.median("seconds") / c.median("seconds") - 1 for c, s in pairs]
    text += f"- Training time per epoch, by medians: {100 * sum(times) / len(times):+.1f} %"
    if experiment.paper_time:
        text += f" (paper: {100 * (experiment.paper_time[1] / experiment.paper_time[0] - 1):+.1f} %)"
    return text + "; evaluation, the same for both, is not counted.\n"


def curve_chart(experiment, runs, column, title, unit, may_be_log=False):
    """A column of metrics.csv by epoch: bold the mean over the seeds, thin the seeds."""
    curves, marks = [], set()
    for variant in experiment.variants:
        states = list(runs.get(variant.name, {}).values())
        if not states:
            continue
        seeds = [[(row["epoch"], row.get(column, math.nan)) for row in state.rows] for state in states]
        shared = min(len(line) for line in seeds)
        mean = [(seeds[0][i][0], sum(line[i][1] for line in seeds) / len(seeds)) for i in range(shared)]
        curves.append((variant.name, [mean, *(seeds if len(seeds) > 1 else [])], {}))
        for state in states:
            rates = [(row["epoch"], row["learning_rate"]) for row in state.rows]
            marks |= {b[0] for a, b in zip(rates, rates[1:]) if a[1] != b[1]}
    return line_chart(f"{experiment.title}: {title}", unit, "epoch", curves, sorted(marks) if len(marks) <= 4 else (), may_be_log)


def harm_chart(experiment, runs):
    """Error of the network without one block, for each block: bold the mean over the seeds, thin the seeds."""
    curves = []
    for variant in experiment.variants:
        seeds = [[(row["block"], row["error"]) for row in state.harm] for state in runs.get(variant.name, {}).values() if state.harm]
        if seeds:
            mean = [(points[0][0], sum(error for _, error in points) / len(points)) for points in zip(*seeds)]
            curves.append((variant.name, [mean, *(seeds if len(seeds) > 1 else [])], {}))
    return line_chart(f"{experiment.title}: without one block", "error on the validation images, percent", "block", curves, may_be_log=True)


def _sweep_errors(experiment, runs):
    """{variant: (mean, spread)} of the test error at the lowest validation error, from finished runs."""
    errors = {}
    for variant in experiment.variants:
        finished = [s.best()["test_error"] for s in runs.get(variant.name, {}).values() if s.finished]
        if finished:
            errors[variant.name] = mean_and_spread(finished)
    return errors


def sweep_chart(experiment, runs):
    errors = _sweep_errors(experiment, runs)
    if experiment.kind == "depth":
        models = list(dict.fromkeys(variant.series for variant in experiment.variants))
        values = {(v.series, v.x): errors[v.name][0] for v in experiment.variants if v.name in errors}
        return shade_chart(f"{experiment.title}: test error", "percent", "survival probability of the last block",
                           sorted({v.x for v in experiment.variants}), models, values)
    curves = []
    for series in ("linear", "uniform"):
        shown = [v for v in experiment.variants if v.name in errors and v.series in (series, "")]
        if any(v.series == series for v in shown):
            points = sorted((v.x, errors[v.name][0]) for v in shown)
            spread = {v.x: errors[v.name][1] for v in shown if not math.isnan(errors[v.name][1])}
            curves.append((series, [points], spread))
    return line_chart(f"{experiment.title}: test error", "percent", "p_L", curves, whole_x=False) if curves else None


def charts_of(experiment, runs):
    """(file name, alternative text, SVG) of every chart there is something to draw for."""
    charts = []
    if experiment.kind != "comparison":
        charts = [("survival", "test error against survival probability", sweep_chart(experiment, runs))]
    if experiment.kind == "comparison" or len(runs) <= 4:  # of more networks nobody could tell the curves apart
        charts += [("error", "test error by epoch", curve_chart(experiment, runs, "test_error", "test error", "percent")),
                   ("loss", "training loss by epoch", curve_chart(experiment, runs, "train_loss", "training loss", "cross-entropy per image", True)),
                   ("gradient", "mean |gradient| by epoch",
                    curve_chart(experiment, runs, "gradient", "gradient in the first block", "mean |∂loss/∂w| of its first convolution", True)),
                   ("harm", "error without one block", harm_chart(experiment, runs))]
    return [(f"{experiment.name}-{name}.svg", alternative, svg) for name, alternative, svg in charts if svg]


def write_results(out, target, note=""):
    """Writes results.md and its charts for all runs found in `out`. Returns the file, or None where there are no runs."""
    parts = []
    target = Path(target)
    for experiment in EXPERIMENTS.values():
        runs = runs_in(out, experiment)
        if not runs:
            continue
        target.mkdir(parents=True, exist_ok=True)
        states = [state for seeds in runs.values() for state in seeds.values()]
        shown_in = [name for name, (_, members) in GROUPS.items() if experiment.name in members and name.startswith(("table", "figure"))]
        part = f"## {experiment.title}\n\n"
        part += (f"`{experiment.name}`" + (f", for {', '.join(shown_in)} of the paper" if shown_in else "") + ". ")
        part += length_text(experiment, states) + "\n\n"
        for variant in experiment.variants:
            if variant.name in runs:
                epochs = next(iter(runs[variant.name].values())).epochs
                for seed in runs[variant.name]:
                    part += f"    {shlex.join(['train', *experiment.command(variant, epochs, seed)])}\n"
        part += "\n" + table_of(experiment, runs) + "\n" + comparison_of(experiment, runs) + "\n"
        for file, alternative, svg in charts_of(experiment, runs):
            write_whole(target / file, svg.encode(errors="replace"))
            part += f"![{experiment.title}: {alternative}]({file})\n"
        parts.append(part)
    if not parts:
        return None
    head = ("# Results\n\nWritten by examples/reproduce/reproduce.py from the metrics.csv of each run. Test errors are those at the epoch with the "
            "lowest validation error, the paper's rule, or without validation images of the last epoch; the spread is the standard deviation over seeds; unfinished runs count in no mean.\n")
    path = target / "results.md"
    write_whole(path, (head + (f"\n{note}\n" if note else "") + "\n" + "\n".join(parts)).encode(errors="replace"))
    return path


def keep_records(out, target):
    """Copies the records of all finished runs of `out` to folders of the same names in `target`. Returns how many."""
    kept = 0
    for experiment in EXPERIMENTS.values():
        for name, seeds in runs_in(out, experiment).items():
            for seed, state in seeds.items():
                if state.finished:
                    folder = f"{experiment.name}-{name}-{seed}"
                    keep_record(Path(out) / folder, Path(target) / folder)
                    kept += 1
    return kept
