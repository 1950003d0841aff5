#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a training step takes with keep = everything, inputs and nothing, by the number of layers, and the largest batch that 4 GiB hold.

usage: keep.py [--layers N,...] [--no-runs] [--output FILE]     in `meson devenv -C build`, with nothing beside it

The preset bench-lsh with that many layers, AdamW. Memory is planned (`reformer plan`); steps of 8,192 tokens whose plan is below --most GiB are also made, one process after
the other (`reformer bench`): their account must be the plan to the byte. The tables go to standard output, or between the marks "keep.py begins" and "ends" of FILE.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

PRESET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "libreformer", "models", "presets", "bench-lsh.json")
KEEPS = ("everything", "inputs", "nothing")
LENGTH, BATCH_LENGTHS, BATCH_LIMIT = 8192, (1024, 4096), 4 << 30


def call(*arguments, statuses=(0,)):
    result = subprocess.run(["reformer", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if result.returncode not in statuses:
        sys.exit("reformer %s: %s" % (" ".join(map(str, arguments)), result.stderr.decode()))
    return json.loads(result.stdout)


def write_config(folder, layers):
    with open(PRESET, encoding="utf-8") as file:
        config = json.load(file)
    config.update(attn_layers=["lsh"] * layers, num_hidden_layers=layers)
    path = os.path.join(folder, "%d.json" % layers)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    return path


def plan(config, keep, length, rows=1, limit=1 << 50):
    return call("plan", "--config", config, "--keep", keep, "--length", length, "--rows", rows, "--memory-limit", limit, "--json", statuses=(0, 1))


def largest_batch(config, keep, length):
    """By doubling and halving; a plan grows with its rows."""
    fits = lambda rows: plan(config, keep, length, rows, BATCH_LIMIT)["fits"]
    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def mib(n):
    return "{:,.0f}".format(n / (1 << 20))


def memory_table(folder, arguments):
    lines = ["| layers | " + " | ".join("%s: planned MiB | process MiB | s a step" % keep for keep in KEEPS) + " |", "|---|" + "---|" * 9]
    for layers in arguments.layers:
        config, cells = write_config(folder, layers), []
        for keep in KEEPS:
            planned = plan(config, keep, LENGTH)["total_bytes"]
            if arguments.no_runs or planned > arguments.most * (1 << 30):
                cells += [mib(planned), "-", "-"]
                continue
            seen = call("bench", config, "--modes", "train", "--lengths", LENGTH, "--keep", keep, "--repeats", 2, "--quiet", "--json")["results"][0]
            if seen["account_peak_bytes"] != seen["planned_bytes"]:
                sys.exit("%d layers, %s: %d bytes planned, %d used" % (layers, keep, seen["planned_bytes"], seen["account_peak_bytes"]))
            cells += [mib(planned), mib(seen["process_peak_bytes"]), "%.2f" % seen["least_seconds"]]
        lines.append("| %d | %s |" % (layers, " | ".join(cells)))
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def batch_table(folder, arguments):
    lines = ["| layers | tokens | " + " | ".join(KEEPS) + " |", "|---|---|---|---|---|"]
    for layers in arguments.layers:
        config = write_config(folder, layers)
        for length in BATCH_LENGTHS:
            lines.append("| %d | %s | %s |" % (layers, "{:,}".format(length), " | ".join("{:,}".format(largest_batch(config, keep, length)) for keep in KEEPS)))
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=lambda text: [int(n) for n in text.split(",")], default=[3, 6, 12, 24, 96])
    parser.add_argument("--most", type=float, default=12)
    parser.add_argument("--no-runs", action="store_true")
    parser.add_argument("--output")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join(memory_table(folder, arguments) + ["", "The largest batch in 4 GiB:", ""] + batch_table(folder, arguments))
    if arguments.output is None:
        print(text)
        return
    with open(arguments.output, encoding="utf-8") as file:
        page = file.read()
    new, n = re.subn(r"(<!-- keep\.py begins -->\n).*?(\n<!-- keep\.py ends -->)", lambda match: match.group(1) + text + match.group(2), page, flags=re.S)
    if n != 1:
        sys.exit("%s has the marks %d times; wanted once" % (arguments.output, n))
    with open(arguments.output, "w", encoding="utf-8") as file:
        file.write(new)


main()
