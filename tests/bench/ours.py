#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times a model of ours on random bytes; prints one JSON line.

usage: ours.py CONFIG LENGTH forward|gradients [REPEATS]     in `meson devenv -C build`
"""
import json
import resource
import sys
import time

import gi

gi.require_version("Reformer", "1.0")
import numpy as np  # noqa: E402
from gi.repository import Gio, GLib, Reformer  # noqa: E402


def main(path, length, mode, repeats=3):
    device = Reformer.Device.get_default()
    config = Reformer.Config.load(Gio.File.new_for_path(path), None)
    config.choose_axial_shape(length, 2)
    config.props.max_position_embeddings = length
    model = Reformer.Model(device=device, config=config)
    ids = np.random.default_rng(0).integers(3, config.props.vocab_size, (1, length)).astype(np.int32)
    tokens = Reformer.Tensor.new_from_bytes(device, Reformer.DType.INT32, [1, length], GLib.Bytes.new(ids.tobytes()))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        if mode == "forward":
            output = model.forward(tokens, None)
            device.synchronize()
            del output
        else:
            model.compute_gradients(tokens, None, tokens)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({
        "seconds": min(seconds), "tokens_per_second": length / min(seconds), "keep": model.get_stack().props.keep.value_nick,
        "account_mib": device.props.memory_peak / 2 ** 20, "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 3)
