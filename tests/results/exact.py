#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""LSH attention against exact attention with the same weights: share of mass covered, and loss, with 1 to 16 rounds of hashing.

usage: exact.py MODEL TEXT [--rounds N,...] [--length N] [--sequences N] [--queries N]      in `meson devenv -C build`

MODEL is a folder of a byte model with LSH layers, TEXT a file; its end is measured, which training held out. The coverage is a mean over LSH layers, heads and
drawn tokens; the loss is in bits per byte, the same bytes for every row. The last row has exact attention.
"""
import argparse

import gi
import numpy

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, Reformer  # noqa: E402


def read(path, length, sequences):
    with open(path, 'rb') as file:
        data = file.read()[-length * sequences:]
    ids = numpy.frombuffer(Reformer.ByteTokenizer().encode(data).get_data(), numpy.int32)
    return ids[:len(ids) // length * length].reshape(-1, length)


def make_model(folder, **settings):
    config = Reformer.Config.load(folder, None)
    for name, value in settings.items():
        setattr(config.props, name, value)
    model = Reformer.Model(config=config)
    model.load_weights(folder, None)
    return model


def loss_of(model, rows):
    return sum(model.compute_loss(row[None], None, row[None]) for row in rows) / len(rows) / numpy.log(2)


def coverage_of(model, rows, queries):
    inspection = Reformer.Inspection(model=model)
    shares = []
    for row in rows:
        inspection.run(row[None], None)
        shares += [head['coverage'] for layer in range(inspection.get_n_layers()) if inspection.get_kind(layer) == 'lsh'
                   for head in inspection.measure(layer, queries).unpack()]
    return numpy.mean(shares)


def main():
    parser = argparse.ArgumentParser(description='LSH attention against exact attention with the same weights.')
    parser.add_argument('model')
    parser.add_argument('text')
    parser.add_argument('--rounds', default='1,2,4,8,16', help='rounds of hashing (%(default)s)')
    parser.add_argument('--length', type=int, default=4096, help='bytes of a sequence (%(default)s)')
    parser.add_argument('--sequences', type=int, default=4, help='how many of them (%(default)s)')
    parser.add_argument('--queries', type=int, default=256, help='tokens of each to measure the coverage with (%(default)s)')
    options = parser.parse_args()
    folder = Gio.File.new_for_path(options.model)
    rows = read(options.text, options.length, options.sequences)
    print('| rounds | coverage | bits per byte |\n|---|---|---|')
    for rounds in [int(n) for n in options.rounds.split(',')]:
        model = make_model(folder, num_hashes_evaluation=rounds)
        print('| %d | %.1f %% | %.4f |' % (rounds, 100 * coverage_of(model, rows, options.queries), loss_of(model, rows)), flush=True)
    model = make_model(folder)
    for branch in model.get_stack():
        if isinstance(branch, Reformer.LshAttention):
            branch.exact = True
    print('| exact | %.1f %% | %.4f |' % (100 * coverage_of(model, rows[:1], options.queries), loss_of(model, rows)))


main()
