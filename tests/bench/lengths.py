#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of different lengths: padded and masked, by lengths, packed into one row, and one by one. Time and memory of a training pass, and of a forward pass.

usage: lengths.py [ROWS [LENGTH]]

The preset `small`; lengths are spread evenly from 1/32 of LENGTH on, in random order and sorted. Of three rounds by turns, after one that counts for nothing, the median.
"""
import statistics
import sys
import time

import gi

gi.require_version("Reformer", "1.0")
import numpy  # noqa: E402
from gi.repository import Reformer  # noqa: E402

ROUNDS = 3


def measure(device, work):
    device.reset_memory_peak()
    before = device.get_memory_used()
    begin = time.monotonic()
    work()
    device.synchronize()
    return time.monotonic() - begin, device.get_memory_peak() - before


def ways(model, ids, lengths):
    mask = (numpy.arange(ids.shape[1])[None] < lengths[:, None]).astype(numpy.uint8)
    labels = numpy.where(mask, ids, -100)
    packed = numpy.concatenate([row[:n] for row, n in zip(ids, lengths)])[None]
    rows = [row[None, :n] for row, n in zip(ids, lengths)]

    def one_by_one(call):
        for row in rows:
            call(row, None, row)

    return {
        "padded": lambda call: call(ids, mask, labels),
        "lengths": lambda call: call(ids, lengths, ids),
        "packed": lambda call: call(packed, lengths, packed),
        "one by one": one_by_one,
    }


def main():
    n_rows, longest = int(sys.argv[1]) if len(sys.argv) > 1 else 64, int(sys.argv[2]) if len(sys.argv) > 2 else 512
    config = Reformer.Config.new_preset("small")
    model = Reformer.Model(config=config)
    model.get_stack().keep = Reformer.Keep.INPUTS
    model.prepare()
    device = model.get_device()
    random = numpy.random.default_rng(1)
    ids = random.integers(2, config.vocab_size, (n_rows, longest), dtype=numpy.int32)
    evenly = numpy.linspace(longest // 32, longest, n_rows).astype(numpy.int32)
    calls = {"training": model.compute_gradients, "forward": lambda tokens, mask, labels: model.forward(tokens, mask)}
    print("%d rows of %d to %d tokens, %d in all" % (n_rows, evenly.min(), longest, evenly.sum()))
    for order, lengths in (("in random order", random.permutation(evenly)), ("sorted", evenly)):
        made = ways(model, ids, lengths)
        for what, call in calls.items():
            times = {name: [] for name in made}
            peaks = dict.fromkeys(made, 0)
            for turn in range(ROUNDS + 1):
                for name, way in made.items():
                    seconds, peak = measure(device, lambda way=way: way(call))
                    peaks[name] = max(peaks[name], peak)
                    if turn > 0:
                        times[name].append(seconds)
            for name in made:
                print("%-9s %-16s %-11s %7.3f s  %7.1f MiB" % (what, order, name, statistics.median(times[name]), peaks[name] / 2**20))


if __name__ == "__main__":
    main()
