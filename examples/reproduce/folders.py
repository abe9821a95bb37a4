"""What lies in the folder of a run of train: how far it is, and what it found."""

import csv
import json
import math
import statistics
import struct
from dataclasses import dataclass, field


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
    with open(path, newline="") as file:
        return [{name: float(cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def read_run(folder):
    """The run in a folder, or None where none has begun."""
    if not (folder / "checkpoint.safetensors").exists():
        return None
    metadata = metadata_of(folder / "checkpoint.safetensors")
    done = int(metadata["epoch"])
    rows = [row for row in rows_of(folder / "metrics.csv") if row["epoch"] <= done]
    harm = rows_of(folder / "harm.csv") if (folder / "harm.csv").exists() else []
    options = json.loads(metadata["program"])["options"]
    return RunState(options["epochs"], done, rows, options, harm)


def mean_and_spread(values):
    """Mean, and the sample's standard deviation: not-a-number for a single value."""
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else math.nan
