#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains a preset, `bench-lsh`, on one long sequence, of a million tokens, and says what time and memory each step took.

usage: million.py [--preset NAME] [--length N] [--steps N] [--layers N] [--most GIB] [--forward] [--text FILE]     in `meson devenv -C build`

The text is repeated to that length; without FILE it is this project's licence. --forward begins with a forward pass alone. Exit status 1 where the process took more than 7 GiB,
or more than its plan by 5 % and 200 MiB, or where the loss did not fall.
"""
import argparse
import os
import sys
import time

import gi
import numpy

gi.require_version("Reformer", "1.0")
from gi.repository import Reformer  # noqa: E402

MILLION, MOST = 1 << 20, 7
LICENCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "COPYING")


class Repeated(Reformer.Dataset):
    """One sample: the ids of a text, again and again."""

    def __init__(self, ids):
        super().__init__()
        self.ids = ids

    def do_count_samples(self, length):
        return 1

    def do_read_sample(self, index, length):
        return Reformer.Sample(tokens=numpy.resize(self.ids, length))

    def do_identify(self):
        return "a text of %d bytes, repeated" % len(self.ids)


def process_peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) << 10


def mib(n):
    return "%.0f MiB" % (n / (1 << 20))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="bench-lsh")
    parser.add_argument("--length", type=int, default=MILLION)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--layers", type=int, help="so many layers of LSH attention")
    parser.add_argument("--most", type=float, default=MOST)
    parser.add_argument("--forward", action="store_true")
    parser.add_argument("--text", default=LICENCE)
    arguments = parser.parse_args()
    with open(arguments.text, "rb") as file:
        text = file.read()
    device = Reformer.Device.get_default()
    config = Reformer.Config.new_preset(arguments.preset)
    if arguments.layers is not None:
        config.props.attn_layers = ["lsh"] * arguments.layers
    # 258 ids are those of the tokenizer of bytes
    ids = numpy.frombuffer(text, numpy.uint8).astype(numpy.int32) + (2 if config.vocab_size == 258 else 0)
    model = Reformer.Model(device=device, config=config)
    model.get_stack().props.keep = Reformer.Keep.NOTHING
    trainer = Reformer.Trainer(model=model, dataset=Repeated(ids), sequence_length=arguments.length)
    losses = []

    def show(_, record):
        losses.append(record.loss)
        print("step %d: loss %.4f, %.1f s, %.0f tokens/s; device %s, process %s" %
              (record.step, record.loss, record.seconds, record.tokens_per_second, mib(device.props.memory_peak), mib(process_peak())), flush=True)

    print("%d bytes repeated to %d tokens, %s, %d layers, on %s" % (len(text), arguments.length, arguments.preset, len(config.attn_layers), device.props.name), flush=True)
    if arguments.forward:
        start = time.monotonic()
        shape = model.forward(numpy.resize(ids, (1, arguments.length)), None).get_shape()
        device.synchronize()
        print("forward: logits %s, %.1f s; device %s, process %s" % (shape, time.monotonic() - start, mib(device.props.memory_peak), mib(process_peak())), flush=True)
    trainer.connect("step", show)
    trainer.train(arguments.steps, None)
    peak, planned = process_peak(), device.props.memory_peak  # the account's peak is the plan
    failures = []
    if peak > arguments.most * 2 ** 30:
        failures.append("the process took %s; wanted at most %s" % (mib(peak), mib(arguments.most * 2 ** 30)))
    if peak > 1.05 * planned + (200 << 20):
        failures.append("the process took %s beside the %s that were planned" % (mib(peak - planned), mib(planned)))
    if any(b >= a for a, b in zip(losses, losses[1:])):
        failures.append("the loss does not fall")
    for failure in failures:
        print("failed: " + failure)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
