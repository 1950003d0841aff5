# SPDX-License-Identifier: LGPL-2.1-or-later
"""The side of a process that compare.py measures: it says what it has built, then waits for its turns.

Lines on standard input: "turn" (do the work once), "end". Lines on standard output, JSON: what was built; for a turn its seconds and the loss, if there is
one; at the end the peak of the process's resident memory, how many parameters got a gradient, and the buckets of a Reformer.
"""
import json
import os
import sys
import time


def peak_mib():
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


def serve(about, work, at_end):
    """`work` does it once and returns what has the loss, or None; `at_end` says what there is to say afterwards."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(**what):
        print(json.dumps(what), file=answers, flush=True)

    answer(**about)
    for line in sys.stdin:
        if line.strip() == "turn":
            start = time.perf_counter()
            loss = work()
            seconds = time.perf_counter() - start
            answer(seconds=seconds, loss=None if loss is None else float(loss))
        elif line.strip() == "end":
            mib = peak_mib()
            answer(mib=mib, **at_end())
            break
