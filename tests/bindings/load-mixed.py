# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loads the golden model `mixed`, computes loss and gradients, and prints them in one line; see load-mixed.c."""

import os
import struct

import gi

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, Reformer  # noqa: E402

from golden import read_safetensors  # noqa: E402

folder = os.path.join(os.environ['G_TEST_SRCDIR'], 'golden', 'mixed')
device = Reformer.Device.get_default()
model = Reformer.Model.load(device, Gio.File.new_for_path(folder), None)
answers = read_safetensors(os.path.join(folder, 'io.safetensors'))

loss = model.compute_gradients(answers['ids'], None, answers['labels'])

value = 2166136261
parameters = model.get_parameters()
for parameter in parameters:
    for byte in parameter.gradient.to_bytes().get_data():
        value = ((value ^ byte) * 16777619) & 0xffffffff

print('loss %.12f bits %s, %d gradients %08x' % (loss, struct.pack('>d', loss).hex(), len(parameters), value))
