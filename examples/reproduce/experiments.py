"""The paper's tables and figures as runs of train, and shorter experiments that a desk machine can afford.

An Experiment compares variants of a network on one data set; a group is a table or figure of the paper, made of experiments. All numbers are those
of Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016: test errors in percent, times as printed in table 2.
"""

import json
from dataclasses import dataclass

PAPER_SCHEDULE = "the paper's schedule"
OWN_SCHEDULE = "this experiment's schedule"

# Records of the training and of the test part, for the estimate of how long an epoch takes.
RECORDS = {"fashion-mnist": (60000, 10000), "cifar10": (50000, 10000), "cifar100": (50000, 10000), "svhn": (604388, 26032), "synthetic": (10000, 2000)}
HELD_OUT = {"cifar10": 5000, "cifar100": 5000, "svhn": 6000}


@dataclass(frozen=True)
class Variant:
    """One network and its options for train, without --epochs, --seed and --out; a value of None is a flag."""

    name: str
    options: dict
    paper: float | None = None  # test error
    series: str = ""  # of a sweep: the curve it belongs to
    x: float | None = None  # of a sweep: p_L

    def words(self):
        return [word for name, value in self.options.items() for word in (["--" + name] if value is None else ["--" + name, str(value)])]

    def differs_from(self, stored):
        """The first option that a run with these stored options has otherwise, as text; empty where it is a run of this variant."""
        for name, value in self.options.items():
            flag = name.removeprefix("no-") if value is None else name
            wanted = not name.startswith("no-") if value is None else value
            if stored.get(flag) != wanted:
                return f"--{flag} {json.dumps(stored.get(flag))}, not {json.dumps(wanted)}"
        return ""

    def images(self):
        """Images of an epoch of training, and of the evaluation after it."""
        train, test = RECORDS[self.options["data"]]
        held_out = self.options.get("validation", HELD_OUT.get(self.options["data"], 0))
        return self.options.get("limit-train") or train - held_out, held_out + self.options.get("limit-test", test)


@dataclass(frozen=True)
class Experiment:
    name: str
    title: str
    epochs: int  # of the whole schedule
    variants: tuple
    seeds: tuple = (1,)
    schedule: str = PAPER_SCHEDULE
    paper_time: tuple | None = None  # table 2: constant, stochastic, in minutes
    warm_up: int = 0  # epochs at a tenth of the learning rate that the whole schedule begins with
    short_warm_up: int = 0  # the same of a shortened one, where the recipe's rate would cost more epochs than it has: see docs/results.md
    kind: str = "comparison"  # or "survival", a sweep of p_L, or "depth", one of depth and p_L

    def command(self, variant, epochs, seed):
        """The words of a run of train. Drops of the learning rate are fractions of the run; a warm-up is shortened here."""
        words = [*variant.words(), "--epochs", str(epochs), "--seed", str(seed)]
        warm_up = max(-(-self.warm_up * epochs // self.epochs), self.short_warm_up if epochs < self.epochs else 0)
        return words + (["--warm-up", str(warm_up)] if warm_up else [])


def pair(paper=(None, None), **options):
    """Constant depth against linear decay to 0.5."""
    options = {name.replace("_", "-"): value for name, value in options.items()}
    return (Variant("constant", {**options, "schedule": "none"}, paper[0]),
            Variant("stochastic", {**options, "schedule": "linear", "survival": 0.5}, paper[1]))


def survival_sweep(probabilities, **options):
    """Linear decay to p_L and the same p_L for all blocks; p_L = 1 is the constant-depth network on both curves."""
    options = {name.replace("_", "-"): value for name, value in options.items()}
    sweep = [Variant(f"{schedule}-{p}", {**options, "schedule": schedule, "survival": p}, None, schedule, p)
             for schedule in ("linear", "uniform") for p in probabilities]
    return (*sweep, Variant("constant", {**options, "schedule": "none"}, None, "", 1.0))


def linear_sweep(probabilities, **options):
    """Linear decay to p_L against constant depth."""
    return tuple(v for v in survival_sweep(probabilities, **options) if v.series != "uniform")


def over_time(times, **options):
    """Constant depth, stochastic depth all the time, and in these parts of the run."""
    constant, stochastic = pair(**options)
    return (constant, stochastic, *(Variant(time.replace(":", "-"), {**stochastic.options, "survival-over-time": time}) for time in times))


def depth_sweep(models, probabilities, **options):
    options = {name.replace("_", "-"): value for name, value in options.items()}
    return tuple(Variant(f"{model}-{p}", {"model": model, **options, "schedule": "linear", "survival": p}, None, model, p)
                 for model in models for p in probabilities)


LITTLE = {"data": "cifar10", "limit_train": 10000, "no_augment": None}

EXPERIMENTS = {e.name: e for e in (
    Experiment("cifar10-110", "CIFAR-10 with augmentation, 110 layers", 500,
               pair((6.41, 5.25), model="resnet110", data="cifar10"), paper_time=(20 * 60 + 42, 15 * 60 + 7), short_warm_up=1),
    Experiment("cifar10-110-unaugmented", "CIFAR-10 without augmentation, 110 layers", 500,
               pair((13.63, 11.66), model="resnet110", data="cifar10", no_augment=None), short_warm_up=1),
    Experiment("cifar100-110", "CIFAR-100 with augmentation, 110 layers", 500,
               pair((27.76, 24.98), model="resnet110", data="cifar100"), paper_time=(20 * 60 + 51, 15 * 60 + 20), short_warm_up=1),
    Experiment("cifar100-110-unaugmented", "CIFAR-100 without augmentation, 110 layers", 500,
               pair((44.74, 37.8), model="resnet110", data="cifar100", no_augment=None), short_warm_up=1),
    Experiment("svhn-152", "SVHN, 152 layers", 50,
               pair((1.80, 1.75), model="resnet152", data="svhn"), paper_time=(33 * 60 + 43, 25 * 60 + 33)),
    Experiment("cifar10-1202", "CIFAR-10 with augmentation, 1202 layers", 300, pair((6.67, 4.91), model="resnet1202", data="cifar10"),
               warm_up=10),
    Experiment("cifar10-110-survival", "CIFAR-10 with augmentation, 110 layers: survival probabilities", 500,
               survival_sweep((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), model="resnet110", data="cifar10"), kind="survival", short_warm_up=1),
    Experiment("cifar10-depth-survival", "CIFAR-10 with augmentation: depth and survival", 500,
               depth_sweep(("resnet20", "resnet56", "resnet110"), (0.2, 0.4, 0.5, 0.6, 0.8, 1.0), data="cifar10"), kind="depth", short_warm_up=1),

    Experiment("cifar10-56", "CIFAR-10 with augmentation, 56 layers", 500, pair(model="resnet56", data="cifar10"), (1, 2, 3)),
    Experiment("cifar10-20", "CIFAR-10 with augmentation, 20 layers: survival probabilities", 500,
               survival_sweep((0.2, 0.5, 0.8), model="resnet20", data="cifar10"), kind="survival"),
    Experiment("fashion-56", "Fashion-MNIST with augmentation, 56 layers", 20,
               pair(model="resnet56", data="fashion-mnist"), (1, 2, 3), OWN_SCHEDULE),
    Experiment("fashion-20", "Fashion-MNIST with augmentation, 20 layers: survival probabilities", 20,
               survival_sweep((0.2, 0.5, 0.8), model="resnet20", data="fashion-mnist"), (1,), OWN_SCHEDULE, kind="survival"),
    # Little data and no augmentation: where a network of this size overfits within hours, as the paper's do within days.
    Experiment("little-20", "CIFAR-10, 10,000 pictures unaugmented, 20 layers", 164,
               linear_sweep((0.5, 0.8), model="resnet20", **LITTLE), (1, 2, 3), OWN_SCHEDULE, kind="survival"),
    Experiment("little-fashion-20", "Fashion-MNIST, 10,000 pictures unaugmented, 20 layers", 164,
               pair(model="resnet20", **{**LITTLE, "data": "fashion-mnist"}), (1, 2, 3), OWN_SCHEDULE),
    Experiment("little-56", "CIFAR-10, 10,000 pictures unaugmented, 56 layers", 164, pair(model="resnet56", **LITTLE), (1, 2, 3), OWN_SCHEDULE),
    # Networks that underfit, where Liu et al. ("Dropout Reduces Underfitting", ICML 2023) have stochastic depth in the beginning alone.
    Experiment("early-56", "CIFAR-10 with augmentation, 56 layers: stochastic depth in the beginning alone", 12,
               over_time(("early:0.1", "early:0.25"), model="resnet56", data="cifar10"), (1, 2, 3), OWN_SCHEDULE),
    # At the rate of 0.1 all the time the test errors of 110 layers cross between epochs 20 and 26 in another implementation's log.
    Experiment("crossover-110", "CIFAR-10 with augmentation, 110 layers, a constant rate", 40,
               pair(model="resnet110", data="cifar10", lr_schedule="constant", warm_up=1), (1,), OWN_SCHEDULE),
    Experiment("crossover-56", "CIFAR-10 with augmentation, 56 layers, a constant rate", 40,
               pair(model="resnet56", data="cifar10", lr_schedule="constant", warm_up=1), (1,), OWN_SCHEDULE),
    Experiment("smoke", "A procedural set, 20 layers: a try-out of seconds", 40,
               pair(model="resnet20", data="synthetic", limit_train=160, limit_test=60, validation=40, batch=32), (1, 2), OWN_SCHEDULE),
)}

GROUPS = {
    "table-1": ("test errors", ("cifar10-110", "cifar10-110-unaugmented", "cifar100-110", "cifar100-110-unaugmented",
                                "svhn-152", "cifar10-1202")),
    "table-2": ("training times", ("cifar10-110", "cifar100-110", "svhn-152")),
    "figure-3": ("error and loss by epoch on CIFAR", ("cifar10-110", "cifar100-110")),
    "figure-4": ("error and loss by epoch on SVHN", ("svhn-152",)),
    "figure-5": ("error and loss by epoch with 1202 layers", ("cifar10-1202", "cifar10-110")),
    "figure-7": ("mean |gradient| of the first block's first convolution by epoch", ("cifar10-110",)),
    "figure-8-left": ("error against p_L, linear and uniform", ("cifar10-110-survival",)),
    "figure-8-right": ("error by depth and p_L", ("cifar10-depth-survival",)),
    "cifar10-110-augmented": ("another name", ("cifar10-110",)),
    "cifar100-110-augmented": ("another name", ("cifar100-110",)),
}


def experiments_of(names):
    """The experiments of these names and groups, each once, in this order. Raises KeyError with a name that is none."""
    found = {}
    for name in names:
        for member in GROUPS[name][1] if name in GROUPS else (name,):
            found[member] = EXPERIMENTS[member]
    return list(found.values())
