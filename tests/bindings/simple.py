# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small data set, model and trainer for tests of what Python makes of them."""

import gi
import numpy

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, Reformer  # noqa: E402

import golden  # noqa: E402


class Numbers(Reformer.Dataset):
    def do_count_samples(self, length):
        return 4

    def do_read_sample(self, index, length):
        return numpy.arange(index, index + length)

    def do_get_held_out(self):
        return Numbers()


def load(name='local'):
    return Reformer.Model.load(Reformer.Device.get_default(), Gio.File.new_for_path(golden.folder(name)), None)


def trainer(**settings):
    return Reformer.Trainer(model=load(), dataset=Numbers(), sequence_length=8, **settings)
