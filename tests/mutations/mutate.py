#!/usr/bin/env python3
"""Breaks one line of a header at a time, as mutations.txt beside this file lists them, and says which of these faults the tests see.

    tests/mutations/mutate.py                    all of them: compiles and runs one test source for each, about a quarter of an hour
    tests/mutations/mutate.py philox loader      those whose header or text has one of these words
    tests/mutations/mutate.py --check            only whether each text still occurs exactly once in its header (in the test command)

The broken header lies in a folder of its own, in front of include/ in the compiler's search path. First each test source is compiled and run with the headers as
they are, so that a test that fails anyway is not taken for one that sees the fault. The compiler and its flags are those of a build tree: --build, build/test as
it is made by `cmake --preset test`.
"""
import argparse
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

repository = pathlib.Path(__file__).resolve().parents[2]
headers = repository / "include" / "sdepth"
listed = pathlib.Path(__file__).with_name("mutations.txt")


class Mutation:
    def __init__(self, line, header, test):
        self.line, self.header, self.test = line, header, test
        self.old, self.new = [], []

    def texts(self):
        return "\n".join(self.old), "\n".join(self.new)

    def name(self):
        return f"{listed.name}:{self.line}: {self.header}: {self.old[0].strip()}"


def read_list():
    mutations = []
    for number, line in enumerate(listed.read_text().splitlines(), 1):
        where = f"{listed.name}:{number}"
        if line.startswith("- ") or line.startswith("+ "):
            if not mutations:
                sys.exit(f"{where}: a text before the first header; write `HEADER  TEST` above it")
            (mutations[-1].old if line[0] == "-" else mutations[-1].new).append(line[2:])
        elif line.strip() == "+":
            mutations[-1].new.append("")
        elif line.strip() and not line.startswith("#"):
            words = line.split(None, 1)
            if len(words) != 2:
                sys.exit(f"{where}: expected a header below include/sdepth and a test source below tests, found {line!r}")
            mutations.append(Mutation(number, words[0], words[1].strip()))
    return mutations


def pattern_of(text):
    """Finds a text wherever its line is broken."""
    return r"\s+".join(re.escape(word) for word in text.split())


def check(mutations):
    """What is wrong with the list, a sentence each."""
    wrong = []
    for m in mutations:
        old, new = m.texts()
        header = headers / m.header
        if not m.old or not m.new:
            wrong.append(f"{listed.name}:{m.line}: {m.header} has no `- old` or no `+ new` line")
        elif not header.is_file():
            wrong.append(f"{m.name()}: there is no such header; give the mutation its new place")
        elif not (repository / "tests" / m.test.split()[0]).is_file():
            wrong.append(f"{m.name()}: there is no test source tests/{m.test.split()[0]}")
        elif (count := len(re.findall(pattern_of(old), header.read_text()))) != 1:
            wrong.append(f"{m.name()}: the text occurs {count} times in the header, expected once; write the line as it is now, or remove the mutation")
        elif old == new:
            wrong.append(f"{m.name()}: it changes nothing")
    return wrong


class Bench:
    """Compiles and runs a test source, with or without a folder of broken headers."""

    def __init__(self, folder, build, compiler):
        self.folder = pathlib.Path(folder)
        flags = build / "tests" / "g++.flags"
        if not flags.is_file():
            sys.exit(f"{flags} is not there; configure a build for tests first: cmake --preset test, or name one by --build")
        self.compiler = [compiler, f"@{flags}", "-w", "-O1", "-ffp-contract=off", "-DDOCTEST_CONFIG_VOID_CAST_EXPRESSIONS",
                         f'-DSDEPTH_TESTS_DIR="{repository / "tests"}"', f'-DSDEPTH_PROGRAMS_DIR="{build / "examples"}"']
        self.mains = {}
        # Headers of other libraries, read once.
        common = self.folder / "common.hpp"
        common.write_text("".join(f"#include <{h}>\n" for h in ["doctest/doctest.h", "Eigen/Core", "nlohmann/json.hpp", "xsimd/xsimd.hpp", "algorithm", "filesystem",
                                                                "fstream", "map", "random", "sstream"]))
        subprocess.run([*self.compiler, "-x", "c++-header", common, "-o", f"{common}.gch"], check=True)
        self.common = ["-include", str(common)]

    def main_object(self, flags):
        key = " ".join(flags)
        if key not in self.mains:
            self.mains[key] = self.folder / f"main{len(self.mains)}.o"
            subprocess.run([*self.compiler, *flags, "-c", repository / "tests/main.cpp", "-o", self.mains[key]], check=True)
        return self.mains[key]

    def passes(self, test, overlay):
        """(whether the test passes, what was said)."""
        source, *flags = shlex.split(test)
        includes = ["-I", str(overlay)] if overlay else []
        if source.startswith("cuda/"):
            flags += ["-rdynamic", "-ldl"]
            includes += ["-I", str(repository / "tests/cuda/emulation")]
            compile_, sources = [*self.compiler[:1], *includes, *self.compiler[1:]], []
            if not any("sanitize" in flag for flag in flags):
                sources = [repository / "tests/cuda/managed_new.cpp"]
        else:
            compile_, sources = [*self.compiler[:1], *includes, *self.common, *self.compiler[1:]], []
        libraries = ["-lz", "-lpthread", *(["-lpng", "-ljpeg"] if source.startswith("pictures/") else [])]
        program = self.folder / "test"
        main = self.main_object([f for f in flags if f.startswith("-f")])
        done = subprocess.run([*compile_, *flags, main, repository / "tests" / source, *sources, "-o", program, *libraries], text=True, capture_output=True)
        if done.returncode != 0:
            return ("static assertion" not in done.stderr and None), done.stderr
        environment = dict(os.environ, ASAN_OPTIONS="allocator_may_return_null=1", TSAN_OPTIONS="halt_on_error=1 exitcode=66")
        try:
            done = subprocess.run([program], text=True, capture_output=True, errors="replace", timeout=300, cwd=self.folder, env=environment)
        except subprocess.TimeoutExpired:
            return False, "not at its end after five minutes"
        return done.returncode == 0, done.stdout + done.stderr


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("words", nargs="*", help="only mutations that have one of these words")
    arguments.add_argument("--check", action="store_true", help="compile nothing")
    arguments.add_argument("--no-baseline", action="store_true", help="take it that the tests pass with the headers as they are")
    arguments.add_argument("--build", type=pathlib.Path, default=repository / "build/test")
    arguments.add_argument("--compiler", default="c++")
    options = arguments.parse_args()
    mutations = read_list()
    if wrong := check(mutations):
        sys.exit("\n".join(wrong))
    if options.check:
        print(f"{len(mutations)} mutations apply, of {len({m.header for m in mutations})} headers")
        return
    mutations = [m for m in mutations if not options.words or any(w in f"{m.header}\n{m.texts()[0]}" for w in options.words)]
    counts = {"killed": 0, "survived": 0, "error": 0}
    sound = {}
    with tempfile.TemporaryDirectory(prefix="mutate") as folder:
        bench = Bench(folder, options.build.resolve(), options.compiler)
        for number, m in enumerate(mutations):
            begin = time.monotonic()
            if not options.no_baseline and m.test not in sound:
                sound[m.test], said = bench.passes(m.test, None)
                if not sound[m.test]:
                    print(f"tests/{m.test} fails with the headers as they are:\n{said[-2000:]}", flush=True)
            old, new = m.texts()
            overlay = pathlib.Path(folder) / f"m{number}"
            broken = overlay / "sdepth" / m.header
            broken.parent.mkdir(parents=True)
            broken.write_text(re.sub(pattern_of(old), lambda _: new, (headers / m.header).read_text()))
            passes, said = bench.passes(m.test, overlay)
            if passes is None:
                print(f"does not compile, so it says nothing of tests:\n{said[:2000]}", flush=True)
            result = "error" if passes is None or not sound.get(m.test, True) else "survived" if passes else "killed"
            counts[result] += 1
            print(f"{result:8} {m.name()}  ->  {' '.join(m.new).strip()}  [{m.test}, {time.monotonic() - begin:.0f} s]", flush=True)
    print(f"{len(mutations)} mutations: {counts['killed']} killed, {counts['survived']} survived, {counts['error']} errors")
    sys.exit(counts["killed"] != len(mutations))


if __name__ == "__main__":
    main()
