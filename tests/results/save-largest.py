#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Saves a model of the largest published preset, enwik8 (149,182,722 numbers, 597 MB), loads it, and compares every number and an output.

usage: save-largest.py [--preset NAME] [--folder FOLDER]     in `meson devenv -C build`

The model goes into a folder of its own below FOLDER (that of temporary files), which is removed again. Exit status 77 where disk or memory is short, 1 where anything differs.
"""
import argparse
import os
import shutil
import sys
import tempfile
import time

import gi
import numpy

gi.require_version("Reformer", "1.0")
from gi.repository import Gio, Reformer  # noqa: E402

SKIPPED = 77
TOKENS = 300  # more than a chunk of the preset's LSH layers, so that the rotations count


def available_memory():
    with open("/proc/meminfo") as info:
        return next(int(line.split()[1]) for line in info if line.startswith("MemAvailable:")) << 10


def what_is_short(folder, size):
    """Beside what is saved a twentieth stays free; two models, and their packed weights in turn."""
    for what, have, wanted in (("disk of " + folder, shutil.disk_usage(folder).free, 1.05 * size), ("memory", available_memory(), 3.5 * size)):
        if have < wanted:
            return "the %s has %.0f MB; wanted %.0f" % (what, have / 1e6, wanted / 1e6)
    return None


def fill_vectors(model):
    """Norms and biases start as ones and zeros: each gets a number of its own, so that none can stand for another."""
    for i, parameter in enumerate(model.get_parameters()):
        if len(parameter.get_shape()) == 1:
            parameter.fill((i + 1) / 1024)


def compare(first, second):
    """The names of parameters that differ."""
    pairs = list(zip(first.get_parameters(), second.get_parameters()))
    if len(pairs) != len(list(first.get_parameters())) or len(pairs) != len(list(second.get_parameters())):
        return ["their number"]
    return [a.props.name for a, b in pairs if a.props.name != b.props.name or not numpy.array_equal(numpy.asarray(a.get_value()), numpy.asarray(b.get_value()))]


def output_of(model):
    tokens = numpy.arange(TOKENS, dtype=numpy.int32)[None] * 7 % model.get_config().props.vocab_size
    return numpy.array(model.encode(tokens, None))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="enwik8")
    parser.add_argument("--folder", default=tempfile.gettempdir())
    arguments = parser.parse_args()
    config = Reformer.Config.new_preset(arguments.preset)
    model = Reformer.Model(config=config)
    size = 4 * model.get_n_parameters()
    short = what_is_short(arguments.folder, size)
    if short is not None:
        print("skipped: " + short)
        return SKIPPED
    model.prepare()
    fill_vectors(model)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        folder = Gio.File.new_for_path(os.path.join(place, "model"))
        start = time.monotonic()
        model.save(folder, None)
        saved = time.monotonic()
        stored = os.path.getsize(os.path.join(place, "model", "model.safetensors"))
        again = Reformer.Model.load(None, folder, None)
        loaded = time.monotonic()
    print("%s, %d parameters: %.1f MB saved in %.1f s, loaded in %.1f s" % (arguments.preset, size // 4, stored / 1e6, saved - start, loaded - saved), flush=True)
    failures = compare(model, again)
    if stored < size:
        failures.append("the file, of %d bytes for %d of numbers" % (stored, size))
    if not numpy.array_equal(output_of(model), output_of(again)):
        failures.append("the output")
    for failure in failures:
        print("failed: another after loading: " + failure)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
