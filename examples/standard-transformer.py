# SPDX-License-Identifier: LGPL-2.1-or-later
"""The standard Transformer, and a Reformer of the same sizes, on random vectors: python3 standard-transformer.py [POSITIONS], a multiple of 50"""
import sys
import time

import gi
import numpy as np

gi.require_version("Reformer", "1.0")
from gi.repository import Reformer  # noqa: E402

WIDTH, HEADS, LAYERS, INNER = 512, 8, 6, 2048
n = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
device = Reformer.Device.get_default()


def new_stack(streams, attention, **settings):
    stack = Reformer.Stack(device=device, streams=streams)
    for i in range(LAYERS):
        heads = attention(i)
        stack.insert(2 * i, str(2 * i), heads)
        stack.insert(2 * i + 1, str(2 * i + 1), Reformer.FeedForward(device=device, hidden_size=WIDTH, feed_forward_size=INNER, **settings))
    return stack


def new_transformer():
    """One stream, full attention with biases, norms of sums."""
    post = {"norm_first": False, "layer_norm_eps": 1e-5}
    return new_stack(1, lambda i: Reformer.FullAttention(device=device, hidden_size=WIDTH, num_attention_heads=HEADS, attention_head_size=WIDTH // HEADS, bias=True, **post), **post)


def new_reformer():
    """Two streams, hashing in place of full attention."""
    return new_stack(2, lambda i: Reformer.LshAttention(device=device, hidden_size=WIDTH, num_attention_heads=HEADS, attention_head_size=WIDTH // HEADS, chunk_length=50))


def new_input():
    """A number for each place, from -1 to 1: the place, hashed."""
    x = np.arange(n * WIDTH, dtype=np.uint32) * np.uint32(2654435761)
    x = (x ^ x >> np.uint32(15)) * np.uint32(2246822519)
    return Reformer.Tensor.from_array(((x ^ x >> np.uint32(13)) >> np.uint32(8)).astype(np.float32).reshape(1, n, WIDTH) / np.float32(8388608) - np.float32(1), device)


def show(name, stack, x):
    tape = Reformer.Tape(device=device)
    tape.set_recording(False)  # no backward pass will come
    before = device.get_memory_used()
    device.reset_memory_peak()
    stack.forward(x, tape)
    peak = device.get_memory_peak() - before
    start = time.monotonic()
    y = np.array(stack.forward(x, tape))
    seconds = time.monotonic() - start
    print("%s: %d parameters" % (name, sum(np.prod(parameter.get_shape()) for parameter in stack.get_parameters())))
    print("output %s, its first number %.6f" % (list(y.shape), y[0, 0, 0]))
    print("%.2f seconds, peak of memory %.1f MiB" % (seconds, peak / 2**20))


x = new_input()
show("Transformer", new_transformer(), x)
show("Reformer", new_reformer(), x)
