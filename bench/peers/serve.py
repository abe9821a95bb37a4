"""The side of a contender's process in bench/peers/compare.py: it makes its network, says what it is, and runs steps when told to.

The driver writes commands, one per line; the contender answers each by one line of JSON, and once without being asked, when it has its
network.

    (start)        {"version": "PyTorch 2.15.0", "parameters": 269722, "multiply_adds": 40551040, "resident_mib": 310.5}
    run SECONDS    {"steps": 10, "seconds": 1.01, "peak_mib": 812.0}     steps for about SECONDS, at least one; peak since the last "reset"
    reset          {}                                                      the high-water mark of memory is set back to what is resident now
    (end of file)  the process ends

`multiply_adds` are those of one image's forward pass; `resident_mib` is what the process held before the network was made.
"""
import json
import os
import sys
import time


def resident_mib(field="VmRSS"):
    """Resident memory of this process in MiB; field VmHWM: its high-water mark. 0 where the system does not tell."""
    try:
        with open("/proc/self/status") as status:
            return next(float(line.split()[1]) / 1024 for line in status if line.startswith(field + ":"))
    except (OSError, StopIteration):
        return 0.0


def reset_peak():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def take_answers_apart():
    """Returns the file for answers, and sends what libraries print to stdout to stderr instead."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def serve(answers, introduction, step):
    """Answers the driver until it closes the pipe. step() does one step of the work, completely."""
    def answer(what):
        print(json.dumps(what), file=answers, flush=True)

    answer(introduction)
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "run":
            steps, seconds, start = 0, 0.0, time.perf_counter()
            while not steps or seconds < float(arguments[0]):
                step()
                steps, seconds = steps + 1, time.perf_counter() - start
            answer({"steps": steps, "seconds": seconds, "peak_mib": resident_mib("VmHWM")})
        elif command == "reset":
            reset_peak()
            answer({})
