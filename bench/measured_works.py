"""What encode.py and training_step.py share: how they talk with bench/pytorch.ts, and how they time.

Prints a line of JSON when the packages are there: {"versions": by package, "cuda": CUDA's version, null if there is none}. Then waits for a line of JSON, so that
importing goes on beside other work and measuring does not: {"works", "limit": seconds for each work, and the script's own options}. Prints {"loaded": true} when it has
loaded, and a line for each work as soon as it is done: the script's result, or {"reason": why it was not measured}.
"""

import gc
import json
import signal
import sys
import time

import torch

# An idle GPU needs a while to reach its full clock.
WARM_UP_SECONDS = 0.4


class TooLate(BaseException):
    """Not an `Exception`: torch.compile catches those and goes on."""


def say(line):
    print(json.dumps(line), flush=True)


def warm_up(run, cuda):
    run()  # The first run compiles.
    end = time.perf_counter() + (WARM_UP_SECONDS if cuda else 0)
    while time.perf_counter() < end:
        run()


def timed(runs, rounds, seconds):
    """The milliseconds of each run in rounds in which they take turns. Rounds end after `seconds`."""
    times = [[] for _ in runs]
    end = time.perf_counter() + seconds
    while len(times[0]) < rounds and (not times[0] or time.perf_counter() < end):
        for run, own in zip(runs, times):
            start = time.perf_counter()
            run()
            own.append((time.perf_counter() - start) * 1000)
    return times


def result_of(measure, work, limit):
    def end(*_):
        raise TooLate

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        return measure(work)
    except TooLate:
        return {"reason": f"it did not end in {limit} s"}
    except Exception as error:  # The other works are still measured.
        return {"reason": " ".join(str(error).split())[:200] or type(error).__name__}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def serve(packages, load):
    """Answers one line. `load` gets the script's options and returns what measures a work."""
    say({"versions": {name: package.__version__ for name, package in packages.items()}, "cuda": torch.version.cuda if torch.cuda.is_available() else None})
    line = sys.stdin.readline()
    if not line:
        return  # Nobody asks any more.
    asked = json.loads(line)
    works, limit = asked.pop("works"), asked.pop("limit")
    measure = load(**asked)
    say({"loaded": True})
    for work in works:
        say(result_of(measure, work, limit))
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
