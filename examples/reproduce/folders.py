"""What lies in the folder of a run of train: how far it is, and what it found."""

import csv
import hashlib
import json
import math
import os
import statistics
import struct
from dataclasses import dataclass, field


RECORD = "run.json"  # beside metrics.csv, in place of a checkpoint


class Damaged(Exception):
    """A file of a run that cannot be read, in one sentence."""


@dataclass
class RunState:
    """One run. `rows` are the lines of metrics.csv up to the last checkpoint, by column name."""

    epochs: int  # asked for
    done: int  # whole epochs trained
    rows: list = field(default_factory=list)
    options: dict = field(default_factory=dict)  # of train, as the checkpoint has them
    harm: list = field(default_factory=list)  # lines of harm.csv, if it was measured

    @property
    def finished(self):
        return self.done >= self.epochs

    def best(self):
        """The row that the paper reports: of the lowest validation error; without validation the last one."""
        validated = [row for row in self.rows if not math.isnan(row["validation_error"])]
        return min(validated, key=lambda row: row["validation_error"]) if validated else self.rows[-1]

    def mean(self, column):
        values = [row[column] for row in self.rows if not math.isnan(row.get(column, math.nan))]
        return sum(values) / len(values) if values else math.nan

    def median(self, column):
        """Of a time by epoch: what else ran on the machine in a few epochs, or stopped this run, does not count in it."""
        return statistics.median(row[column] for row in self.rows)


def metadata_of(path):
    """The texts in the head of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))["__metadata__"]


def rows_of(path):
    """The whole lines of a table, saved by whatever program; a last one without its end may be about to be written."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(text[:text.rfind("\n") + 1].splitlines()))
        return [{name: float(cell) for name, cell in row.items()} for row in rows]
    except (OSError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise Damaged(f"{path} is no table of numbers as train writes it ({error}); put it back as it was, or move the run's folder away") from None


def progress_in(folder):
    """Whole epochs trained, and the options of train: from the checkpoint, or from the record that is kept when the checkpoint is gone."""
    checkpoint, record = folder / "checkpoint.safetensors", folder / RECORD
    if not checkpoint.exists() and not record.exists():
        return None
    path, what = (checkpoint, "checkpoint of train") if checkpoint.exists() else (record, "record of a run")
    try:
        if path == checkpoint:
            metadata = metadata_of(checkpoint)
            done, options = int(metadata["epoch"]), json.loads(metadata["program"])["options"]
        else:
            kept = json.loads(record.read_text(encoding="utf-8"))
            done, options = int(kept["epoch"]), kept["options"]
        int(options["epochs"])
        return done, options
    except (OSError, KeyError, TypeError, ValueError, struct.error) as error:
        raise Damaged(f"{path} is no {what} ({error!r}); put it back as it was, or move the folder away") from None


def read_run(folder):
    """The run in a folder, or None where none has begun."""
    progress = progress_in(folder)
    if not progress:
        return None
    done, options = progress
    epochs = int(options["epochs"])
    if done == 0 and not (folder / "metrics.csv").exists():  # stopped between its first checkpoint and its tables
        return RunState(epochs, done, [], options)
    rows = [row for row in rows_of(folder / "metrics.csv") if row.get("epoch", 0) <= done]
    if [row.get("epoch") for row in rows] != list(range(1, done + 1)):
        raise Damaged(f"{folder / 'metrics.csv'} has not one row for each of {done} epochs, as the checkpoint beside it; put it back as it was, or move the "
                      "run's folder away")
    harm = rows_of(folder / "harm.csv") if (folder / "harm.csv").exists() else []
    return RunState(epochs, done, rows, options, harm)


def keep_record(run, folder):
    """Writes what a report needs of the run in the folder `run`, a few kilobytes, to `folder`: options and tables, and in place of the weights
    the digest by which another run's can be told to be the same."""
    done, options = progress_in(run)
    kept = {"epoch": done, "options": {name: value for name, value in options.items() if name != "data-dir"}}
    if (run / "model.safetensors").exists():
        kept["sha256 of model.safetensors"] = hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    for table in ("metrics.csv", "harm.csv"):
        if (run / table).exists():
            write_whole(folder / table, (run / table).read_bytes())
    write_whole(folder / RECORD, json.dumps(kept, indent=1, sort_keys=True).encode() + b"\n")


def write_whole(path, content):
    """The file has the old content or the new, whatever happens between."""
    beginning = path.with_name(path.name + ".part")
    with open(beginning, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beginning, path)


def mean_and_spread(values):
    """Mean, and the sample's standard deviation: not-a-number for a single value."""
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else math.nan
