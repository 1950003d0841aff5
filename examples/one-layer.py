# SPDX-License-Identifier: LGPL-2.1-or-later
"""An LSH attention layer used alone, forward and backward: python3 one-layer.py [TOKENS]"""
import sys

import gi
import numpy as np

gi.require_version("Reformer", "1.0")
from gi.repository import Reformer  # noqa: E402

n = int(sys.argv[1]) if len(sys.argv) > 1 else 512
device = Reformer.Device.get_default()
layer = Reformer.LshAttention(device=device, hidden_size=64, num_attention_heads=4, attention_head_size=16)
tape = Reformer.Tape(device=device)
x = ((np.arange(n * 64) * 7 % 11 - 5) / 4).reshape(1, n, 64)

y = layer.forward(x, tape)
layer.clear_gradients()
dx = layer.backward(y, tape)  # y is the gradient of half the sum of its squares


def norm(tensor):
    return np.linalg.norm(np.asarray(tensor, dtype=float))


print("output %.9f" % norm(y))
print("gradient of the input %.9f" % norm(dx))
for parameter in layer.get_parameters():
    print("gradient of %s %.9f" % (parameter.name, norm(parameter.gradient)))
