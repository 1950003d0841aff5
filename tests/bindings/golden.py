# SPDX-License-Identifier: LGPL-2.1-or-later
"""The golden models, read with NumPy only."""

import json
import os
import struct

import numpy

NAMES = ['local', 'lsh', 'mixed', 'padded', 'short', 'chunks', 'between', 'behind', 'causal-mask', 'auto']
TYPES = {'F32': '<f4', 'F64': '<f8', 'I32': '<i4', 'I64': '<i8'}


def folder(name):
    return os.path.join(os.environ['G_TEST_SRCDIR'], 'golden', name)


def read_safetensors(path):
    """The tensors of a file, by name."""
    with open(path, 'rb') as file:
        data = file.read()
    start = 8 + struct.unpack('<Q', data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != '__metadata__':
            begin, end = entry['data_offsets']
            tensors[name] = numpy.frombuffer(data[start + begin:start + end], TYPES[entry['dtype']]).reshape(entry['shape'])
    return tensors


def read(name):
    return read_safetensors(os.path.join(folder(name), 'io.safetensors'))
