#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares our speed with transformers' on the same configuration, by turns in one run; prints each ratio with its spread.

usage: speed.py PEERS_PYTHON [LENGTH [ROUNDS]]     in `meson devenv -C build`; exit status 1 where a pass mark is missed

A round is a process of ours and one of transformers for each mode, so that what else the machine does hits both.
"""
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = os.path.join(HERE, "..", "..", "libreformer", "models", "presets", "bench-lsh.json")
MARKS = {"forward": 1.5, "gradients": 1.2}


def measure(python, script, length, mode):
    command = [python, os.path.join(HERE, script), CONFIG, str(length), mode, "2"]
    environment = dict(os.environ)
    if script != "ours.py":
        for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
            environment.pop(name, None)
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main(peers, length=16384, rounds=3):
    missed = 0
    for mode, mark in MARKS.items():
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(measure("/usr/bin/python3", "ours.py", length, mode))
            theirs.append(measure(peers, "transformers_peer.py", length, mode))
        ratios = sorted(a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(ours, theirs))
        print("%s, %d tokens: ours %.0f tokens/s (%.0f MiB), transformers %.0f tokens/s (%.0f MiB); ratio %.2f (%.2f to %.2f), wanted %.1f" % (
            mode, length, max(a["tokens_per_second"] for a in ours), max(a["rss_mib"] for a in ours),
            max(b["tokens_per_second"] for b in theirs), max(b["rss_mib"] for b in theirs),
            statistics.median(ratios), ratios[0], ratios[-1], mark), flush=True)
        missed += statistics.median(ratios) < mark
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 16384, int(sys.argv[3]) if len(sys.argv) > 3 else 3))
