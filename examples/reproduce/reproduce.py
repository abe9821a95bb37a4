#!/usr/bin/env python3
"""Runs the experiments of the paper by train, as far as the time allows, and puts tables and plots of them into results.md.

    reproduce.py --list                                        what there is, with commands
    reproduce.py --run cifar10-56 --budget 120                 as many epochs as two hours allow, the same for every network
    reproduce.py --run table-1 figure-8-left                   the paper's whole schedules; weeks on two cores
    reproduce.py --report                                      tables and plots of whatever is there
    reproduce.py --keep docs/results/runs                      what a report needs of the finished runs, without weights
    reproduce.py --report --out docs/results/runs              tables and plots of what was kept

Interrupted, it goes on when it is called again; what is finished is left alone. Needs Python 3.9 and nothing else.
"""

import argparse
import fcntl
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # the sources' folder stays as it is
from experiments import EXPERIMENTS, GROUPS, experiments_of  # noqa: E402
from folders import Damaged, read_run, rows_of, write_whole  # noqa: E402
from results import folder_of, keep_records, write_results  # noqa: E402

TIMED_STEPS = 16  # enough for gates to average out to a few percent, little against a run
EVALUATION_COST = 0.4  # of an image of training: forward only, all blocks: about a third of a step, rounded up


class Failure(Exception):
    """What a person needs to know, in one sentence."""


class Stopped(Exception):
    """A signal asked for the end."""


# Numbers as train reads them: digits without blanks, signs and underscores, all of which Python would take.
def seed_list(text):
    parts = text.split(",")
    if not all(re.fullmatch("[0-9]+", part) and int(part) < 2**64 for part in parts):
        raise argparse.ArgumentTypeError(f"expected seeds below 2^64 such as 1,2,3, found {text!r}")
    return [int(part) for part in parts]


def whole_above_zero(text):
    if not re.fullmatch("[0-9]+", text) or not 0 < int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {2**31 - 1}, found {text!r}")
    return int(text)


def above_zero(text):
    value = float(text) if re.fullmatch(r"[0-9]*\.?[0-9]*([eE][-+]?[0-9]+)?", text) and re.match(r"\.?[0-9]", text) else math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a finite number above 0, found {text!r}")
    return value


def some_text(text):
    """Not what a shell makes of a variable that is not set."""
    if not text:
        raise argparse.ArgumentTypeError("expected a name, found an empty text; leave the option out if it is not meant")
    return text


def some_path(text):
    return Path(some_text(text))


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Failure(f"{message}; `reproduce.py --help` lists the options")

    def _print_message(self, message, file=None):
        """The help; argparse itself would not mind that it cannot be written."""
        file = file or sys.stdout
        file.write(message)
        file.flush()


def read_command_line():
    parser = Parser(prog="reproduce", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    what = parser.add_argument_group("what to do")
    what.add_argument("--list", action="store_true", help="name every run with what it shows and its commands")
    what.add_argument("--run", nargs="+", metavar="NAME", default=[], help="train these experiments, tables or figures")
    what.add_argument("--report", action="store_true", help="write results.md and plots of what is there; --run does it after each run")
    what.add_argument("--keep", type=some_path, metavar="DIR",
                      help="copy the tables and options of finished runs, a few kilobytes each, to DIR, from which --report --out DIR can be made again")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--budget", type=above_zero, metavar="MINUTES",
                        help="shorten all schedules by the same factor so that everything named takes about so long")
    length.add_argument("--epochs", type=whole_above_zero, help="length of each run; without both: the whole schedule")
    parser.add_argument("--seeds", type=seed_list, metavar="N,N", help="instead of the experiment's own")
    parser.add_argument("--block-harm", action="store_true", help="after each run, measure the error without each block; for finished ones as well")
    parser.add_argument("--out", type=some_path, default=Path("reproduced"), metavar="DIR", help="where the runs' folders lie (default: %(default)s)")
    parser.add_argument("--report-dir", type=some_path, metavar="DIR", help="where results.md and plots go (default: --out)")
    parser.add_argument("--note", type=some_text, help="a sentence for the head of results.md: the machine, or where the data came from")
    parser.add_argument("--data-dir", type=some_text, metavar="DIR", help="where the data set lies, as for train")
    parser.add_argument("--threads", type=whole_above_zero, help="threads of train")
    parser.add_argument("--train", type=some_path, metavar="PATH", help="the program (default: build/release/examples/train of this repository)")
    line = parser.parse_args()
    if not (line.list or line.run or line.report or line.keep):
        parser.error("nothing to do: expected --list, --run NAME, --report or --keep DIR")
    if line.keep and line.keep.resolve() == line.out.resolve():
        parser.error(f"--keep {line.keep} is --out itself; give it a folder of its own")
    line.report_dir, line.note = line.report_dir or line.out, line.note or ""
    return line


def find_train(given):
    """The program, from the option, this repository's build, or the path."""
    built = Path(__file__).resolve().parents[2] / "build/release/examples/train"
    found = given or (built if built.exists() else shutil.which("train"))
    if not found or not os.access(found, os.X_OK):
        raise Failure(f"{found or built} is not there or no program; build it (cmake --preset release && cmake --build --preset release "
                      "--target train), or name it by --train")
    return str(Path(found).resolve())


class Trainer:
    """Runs of train, one at a time, each in a session of its own, so that Ctrl-C reaches it once: by us."""

    def __init__(self, line):
        self.program = find_train(line.train)
        self.threads = ["--threads", str(line.threads)] if line.threads else []
        self.common = (["--data-dir", line.data_dir] if line.data_dir else []) + self.threads
        self.child = None
        self.stopped = False
        for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(asked) != signal.SIG_IGN:  # as nohup has it
                signal.signal(asked, self._stop)

    def _stop(self, asked, _):
        """train finishes its step and writes its checkpoint; asked again it ends at once. A closed terminal may be told twice."""
        if self.stopped and asked == signal.SIGHUP:
            return
        self.stopped = True
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)

    def run(self, words, lock=None, quiet=False):
        """Returns whether train came to its end; raises Stopped after a signal. The lock stays with train should this process die."""
        if self.stopped:
            raise Stopped
        if not quiet:
            print("$", shlex.join(["train", *words]), flush=True)
        self.child = subprocess.Popen([self.program, *words, *self.common], stdin=subprocess.DEVNULL, start_new_session=True,
                                      stdout=subprocess.DEVNULL if quiet else None, pass_fds=[lock] if lock is not None else [])
        if self.stopped:  # a signal between the check and the start
            self.child.send_signal(signal.SIGINT)
        status = self.child.wait()
        if self.stopped:
            raise Stopped
        return status == 0

    def seconds_per_epoch(self, variant, timings):
        """Measured once per command and kept in timings.json: steps of training, and evaluation reckoned from them."""
        key = shlex.join(variant.words() + self.threads)
        if key not in timings:
            print(f"timing {TIMED_STEPS} steps of: {shlex.join(['train', *variant.words()])}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                words = [*variant.words(), "--steps", str(TIMED_STEPS), "--out", folder]
                for option in ("--validation", "--limit-test"):  # train refuses an option that comes twice
                    if option in words:
                        del words[words.index(option):words.index(option) + 2]
                    words += [option, "0"]
                if not self.run(words, quiet=True):
                    raise Failure(f"the timing of {variant.name} failed, see above")
                step = sum(row["seconds"] for row in rows_of(Path(folder) / "metrics.csv")) / TIMED_STEPS
            batch = variant.options.get("batch", 128)
            train, evaluated = variant.images()
            timings[key] = step * (train + EVALUATION_COST * evaluated) / batch
        return timings[key]


def begun_epochs(out, experiment):
    """The length of the runs of this experiment that have begun: {epochs: folder}."""
    lengths = {}
    for variant in experiment.variants:
        for folder in sorted(Path(out).glob(f"{experiment.name}-{variant.name}-*")):
            state = read_run(folder)
            if state:
                lengths[state.epochs] = folder
    return lengths


def timings_in(path):
    try:
        timings = json.loads(path.read_text())
        if all(0 < seconds < math.inf for seconds in timings.values()):
            return timings
    except (AttributeError, OSError, TypeError, ValueError):
        pass
    raise Failure(f"{path} holds something else than the seconds of an epoch of each command; remove it, and they are measured again")


def lengths_of(experiments, line, trainer):
    """{experiment: epochs}. Runs that have begun keep their length; the others get --epochs, or their share of --budget, or the whole schedule."""
    lengths = {}
    fraction = 1.0
    if line.budget:
        path = line.out / "timings.json"
        timings = timings_in(path) if path.exists() else {}
        needed = {}  # seconds of an epoch of every run
        for e in experiments:
            needed[e.name] = len(line.seeds or e.seeds) * sum(trainer.seconds_per_epoch(v, timings) for v in e.variants)
        line.out.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(timings, indent=1).encode() + b"\n")
        fraction = min(1.0, 60 * line.budget / sum(e.epochs * needed[e.name] for e in experiments))
        least = max(1 / e.epochs for e in experiments)
        if fraction < least:
            minutes = least * sum(e.epochs * needed[e.name] for e in experiments) / 60
            raise Failure(f"--budget {line.budget:g} is too little for an epoch of each run, which takes about {minutes:.1f} minutes in all; "
                          "name fewer runs or --seeds, or allow more")
    for e in experiments:
        begun = begun_epochs(line.out, e)
        wanted = line.epochs or max(1, int(fraction * e.epochs + 1e-9))
        if len(begun) > 1:
            raise Failure(f"runs of {e.name} have different lengths ({', '.join(str(n) for n in sorted(begun))} epochs); choose another --out")
        if begun:
            (length, folder), = begun.items()
            if line.epochs and line.epochs != length:
                raise Failure(f"{folder} was begun with {length} epochs, not {line.epochs}; leave --epochs out to go on with it, "
                              "or choose another --out")
            wanted = length
        lengths[e.name] = wanted
        part = f"the whole of {e.schedule}" if wanted == e.epochs else f"{wanted} of {e.epochs} epochs of {e.schedule}"
        estimate = f", about {wanted * needed[e.name] / 60:.1f} minutes" if line.budget else ""
        print(f"{e.name}: {wanted} epochs, {part}{', as begun' if begun else ''}{estimate}", flush=True)
    return lengths


def run_one(experiment, variant, seed, epochs, line, trainer):
    """Trains one network to its end, from the beginning or from where it is. Returns whether it is finished."""
    folder = folder_of(line.out, experiment, variant, seed)
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder}: another process is training it; left to that one", flush=True)
            return False
        state = read_run(folder)
        if state and (difference := variant.differs_from(state.options)):
            raise Failure(f"{folder} was trained with {difference}; choose another --out")
        harm = ["--block-harm"] if line.block_harm else []
        if state and state.finished and (state.harm or not harm):
            print(f"{folder}: finished", flush=True)
            return True
        words = (["--resume", str(folder)] if state else [*experiment.command(variant, epochs, seed), "--out", str(folder)]) + harm
        done = trainer.run(words, lock)
        if not done:
            print(f"reproduce: {folder} failed, see above", file=sys.stderr)
        return done
    finally:
        os.close(lock)


def run_all(line):
    """Seeds outermost, so that a comparison of one seed is complete before the next begins."""
    try:
        experiments = experiments_of(line.run)
    except KeyError as unknown:
        raise Failure(f"there is no run named {unknown.args[0]}; --list names them") from None
    trainer = Trainer(line)
    lengths = lengths_of(experiments, line, trainer)
    all_done = True
    for e in experiments:
        for seed in line.seeds or e.seeds:
            for variant in e.variants:
                all_done &= run_one(e, variant, seed, lengths[e.name], line, trainer)
                write_results(line.out, line.report_dir, line.note)
    return all_done


def list_all():
    for name, (what, members) in GROUPS.items():
        print(f"{name}: {what}\n    = {' '.join(members)}\n")
    for e in EXPERIMENTS.values():
        print(f"{e.name}: {e.title}; {e.epochs} epochs are {e.schedule}; seeds {', '.join(str(seed) for seed in e.seeds)}")
        for variant in e.variants:
            paper = "" if variant.paper is None else f"    # paper: {variant.paper} %"
            print(f"    {shlex.join(['train', *e.command(variant, e.epochs, e.seeds[0])])}{paper}")
        print()


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `--list | head` is no error
    if sys.stdout is None:
        print("reproduce: standard output is closed, expected a place for what is to be said; send it to a file, or to /dev/null", file=sys.stderr)
        return 1
    sys.stdout.reconfigure(errors="surrogateescape")  # paths are bytes, and need not be UTF-8
    try:
        line = read_command_line()
        if line.list:
            list_all()
        done = run_all(line) if line.run else True
        if line.run or line.report:
            path = write_results(line.out, line.report_dir, line.note)
            if not path:
                raise Failure(f"there is no run with a whole epoch in {line.out}; train some by --run")
            print(f"tables and plots: {path}")
        if line.keep:
            kept = keep_records(line.out, line.keep)
            if not kept:
                raise Failure(f"there is no finished run in {line.out} to keep; train some by --run")
            print(f"kept {kept} runs in {line.keep}")
        sys.stdout.flush()
        return 0 if done else 1
    except (Failure, Damaged) as failure:
        print(f"reproduce: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"reproduce: {error.filename or 'standard output'}: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left to be said would fail again when the program ends
        return 1
    except Stopped:
        write_results(line.out, line.report_dir, line.note)
        print("reproduce: stopped; the same command goes on where it was", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
