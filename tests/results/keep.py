#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a training step takes with keep = everything, inputs and nothing, by the number of layers, and the largest batch that 4 GiB hold.

usage: keep.py [--layers N,...] [--no-runs] [--output FILE]     in `meson devenv -C build`, with nothing beside it

The preset bench-lsh with that many layers, AdamW. Memory is planned; steps of 8,192 tokens whose plan is below --most GiB are also made, one process after the other
(`reformer bench`): their account must be the plan to the byte. The tables go to standard output, or between the marks "keep.py begins" and "ends" of FILE.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

import gi
gi.require_version("Reformer", "1.0")
from gi.repository import Gio, Reformer  # noqa: E402

KEEPS = ("everything", "inputs", "nothing")
LENGTH, BATCH_LENGTHS, BATCH_LIMIT = 8192, (1024, 4096), 4 << 30


def make_config(layers):
    config = Reformer.Config.new_preset("bench-lsh")
    config.props.attn_layers = ["lsh"] * layers
    return config


def plan(config, keep, length, rows=1):
    model = Reformer.Model(device=Reformer.Device.get_default(), config=config)
    model.get_stack().props.keep = getattr(Reformer.Keep, keep.upper())
    return Reformer.Trainer(model=model, sequence_length=length, batch_size=rows, optimizer=Reformer.AdamW()).estimate_memory()


def largest_batch(config, keep, length):
    """By doubling and halving; a plan grows with its rows."""
    def fits(rows):
        return plan(config, keep, length, rows).get_total() <= BATCH_LIMIT

    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def bench(folder, config, keep):
    path = os.path.join(folder, "config.json")
    config.save(Gio.File.new_for_path(path), None)
    result = subprocess.run(["reformer", "bench", path, "--modes", "train", "--lengths", str(LENGTH), "--keep", keep, "--repeats", "2" if config.get_n_layers() <= 24 else "1", "--quiet", "--json"],
                            stdout=subprocess.PIPE, check=True)
    seen = json.loads(result.stdout)["results"][0]
    if seen["account_peak_bytes"] != seen["planned_bytes"]:
        sys.exit("%s: %d bytes planned, %d used" % (keep, seen["planned_bytes"], seen["account_peak_bytes"]))
    return seen


def mib(n):
    return "{:,.0f}".format(n / (1 << 20))


def memory_table(folder, arguments):
    titles = ["planned MiB"] if arguments.no_runs else ["planned MiB", "process MiB", "s a step"]
    lines = ["| layers | " + " | ".join("%s: %s" % (keep, " | ".join(titles)) for keep in KEEPS) + " |", "|---|" + "---|" * (len(KEEPS) * len(titles))]
    for layers in arguments.layers:
        config, cells = make_config(layers), []
        for keep in KEEPS:
            planned = plan(config, keep, LENGTH).get_total()
            cells += [mib(planned), "-", "-"][:len(titles)]
            if not arguments.no_runs and planned <= arguments.most * (1 << 30):
                seen = bench(folder, config, keep)
                cells[-2:] = [mib(seen["process_peak_bytes"]), "%.2f" % seen["least_seconds"]]
        lines.append("| %d | %s |" % (layers, " | ".join(cells)))
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def batch_table(arguments):
    lines = ["| layers | tokens | " + " | ".join(KEEPS) + " |", "|---|---|---|---|---|"]
    for layers in arguments.layers:
        config = make_config(layers)
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
        text = "\n".join(memory_table(folder, arguments) + ["", "The largest batch in 4 GiB:", ""] + batch_table(arguments))
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
