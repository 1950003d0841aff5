#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains `bench-lsh` on one sequence of a million tokens, and says what time and memory each step took.

usage: million.py [--length N] [--steps N] [--layers N] [--text FILE]     in `meson devenv -C build`

The text is repeated to that length; without FILE it is this project's licence. Exit status 1 where the process took more than 7 GiB, or more than its plan by 5 %
and 200 MiB, or where the loss did not fall.
"""
import argparse
import os
import sys

import gi
import numpy

gi.require_version("Reformer", "1.0")
from gi.repository import Reformer  # noqa: E402

MILLION, MOST = 1 << 20, 7 << 30
LICENCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "COPYING")


class Repeated(Reformer.Dataset):
    """One sample: the bytes of a text, again and again."""

    def __init__(self, text):
        super().__init__()
        self.text = numpy.frombuffer(text, numpy.uint8)

    def do_count_samples(self, length):
        return 1

    def do_read_sample(self, index, length):
        return Reformer.Sample(tokens=numpy.resize(self.text, length).astype(numpy.int32))

    def do_identify(self):
        return "a text of %d bytes, repeated" % len(self.text)


def process_peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) << 10


def mib(n):
    return "%.0f MiB" % (n / (1 << 20))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--length", type=int, default=MILLION)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--text", default=LICENCE)
    arguments = parser.parse_args()
    with open(arguments.text, "rb") as file:
        text = file.read()
    device = Reformer.Device.get_default()
    config = Reformer.Config.new_preset("bench-lsh")
    config.props.attn_layers = ["lsh"] * arguments.layers
    model = Reformer.Model(device=device, config=config)
    model.get_stack().props.keep = Reformer.Keep.NOTHING
    trainer = Reformer.Trainer(model=model, dataset=Repeated(text), sequence_length=arguments.length)
    losses = []

    def show(_, record):
        losses.append(record.loss)
        print("step %d: loss %.4f, %.1f s, %.0f tokens/s; device %s, process %s" %
              (record.step, record.loss, record.seconds, record.tokens_per_second, mib(device.props.memory_peak), mib(process_peak())), flush=True)

    print("%d bytes repeated to %d tokens, %d layers, on %s" % (len(text), arguments.length, arguments.layers, device.props.name), flush=True)
    trainer.connect("step", show)
    trainer.train(arguments.steps, None)
    peak, planned = process_peak(), device.props.memory_peak  # the account's peak is the plan
    failures = []
    if peak > MOST:
        failures.append("the process took %s; wanted at most %s" % (mib(peak), mib(MOST)))
    if peak > 1.05 * planned + (200 << 20):
        failures.append("the process took %s beside the %s that were planned" % (mib(peak - planned), mib(planned)))
    if any(b >= a for a, b in zip(losses, losses[1:])):
        failures.append("the loss does not fall")
    for failure in failures:
        print("failed: " + failure)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
