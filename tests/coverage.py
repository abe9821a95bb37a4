#!/usr/bin/env python3
"""Which lines and branches of include/ the tests have run, from a build by the preset `coverage` (gcov's counts).

    cmake --preset coverage && cmake --build --preset coverage && ctest --preset coverage
    tests/coverage.py build/coverage                 a row for each folder of include/sdepth
    tests/coverage.py build/coverage --lines io      and the lines of headers below io/ that nothing has run

A template is compiled many times: a line counts once, as run where any of its instances ran, and so does a branch. Lines of which the compiler made no code are
not counted: declarations, what is computed while compiling, and templates that nothing instantiates (headers without any counted line are named). Branches that
only an exception takes are left out, as are those of code that the compiler has inlined into another header's line.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys

repository = pathlib.Path(__file__).resolve().parents[1]


def documents(build, gcov):
    """gcov's account of each object file that was made to count."""
    for notes in sorted(build.rglob("*.gcno")):
        counts = notes.with_suffix(".gcda")
        done = subprocess.run([gcov, "--json-format", "--branch-probabilities", "--stdout", str(counts if counts.exists() else notes)], capture_output=True, text=True, cwd=build)
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                yield json.loads(line)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("build", type=pathlib.Path)
    arguments.add_argument("--lines", metavar="TEXT", help="name the lines that nothing has run of headers whose path has this text")
    arguments.add_argument("--gcov", default="gcov")
    options = arguments.parse_args()

    lines = collections.defaultdict(dict)  # header, line: how often it ran
    branches = collections.defaultdict(dict)  # header, (line, which): how often it was taken
    objects = 0
    for document in documents(options.build.resolve(), options.gcov):
        objects += 1
        for file in document["files"]:
            _, found, header = file["file"].rpartition("include/sdepth/")
            if not found:
                continue
            for line in file["lines"]:
                number = line["line_number"]
                lines[header][number] = max(lines[header].get(number, 0), line["count"])
                for which, branch in enumerate(b for b in line["branches"] if not b["throw"]):
                    branches[header][number, which] = max(branches[header].get((number, which), 0), branch["count"])
    if not objects:
        sys.exit(f"{options.build} has no object files that count lines; build it by the preset coverage")

    folders = collections.defaultdict(lambda: [0, 0, 0, 0])
    for header, of_header in sorted(lines.items()):
        folder = header.rpartition("/")[0] or "."
        for name in (folder, "all"):
            sums = folders[name]
            sums[0] += len(of_header)
            sums[1] += sum(1 for count in of_header.values() if count)
            sums[2] += len(branches[header])
            sums[3] += sum(1 for count in branches[header].values() if count)
    print(f"{'':24} {'lines':>7} {'run':>7}        {'branches':>8} {'taken':>7}")
    for name, (all_lines, run, all_branches, taken) in sorted(folders.items(), key=lambda item: (item[0] == "all", item[0])):
        share = lambda part, whole: f"{100 * part / whole:5.1f} %" if whole else "      –"
        print(f"{name:24} {all_lines:7} {run:7} {share(run, all_lines)} {all_branches:8} {taken:7} {share(taken, all_branches)}")

    present = {str(h.relative_to(repository / "include/sdepth")) for h in (repository / "include/sdepth").rglob("*.hpp")}
    print("no line counted:", ", ".join(sorted(present - set(lines))) or "none")
    if options.lines is not None:
        for header, of_header in sorted(lines.items()):
            missed = [number for number, count in sorted(of_header.items()) if not count]
            if options.lines not in header or not missed:
                continue
            text = (repository / "include/sdepth" / header).read_text().splitlines()
            print(f"\n{header}: {len(missed)} of {len(of_header)}")
            for number in missed:
                print(f"  {number:4} {text[number - 1] if number <= len(text) else ''}")


if __name__ == "__main__":
    main()
