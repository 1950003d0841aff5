#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ours, for compare.py, which says how its processes talk.

usage: ours.py lsh|full|layer forward|nothing|everything LENGTH     in `meson devenv -C build`

lsh: the preset bench-lsh; full: the same with full attention in every layer; layer: one layer of full attention with its norm and projections. A training
step is a trainer's, with Adam; `nothing` and `everything` are what the stack keeps.
"""
import sys

import gi

gi.require_version("Reformer", "1.0")
import numpy as np  # noqa: E402
from gi.repository import Reformer  # noqa: E402

from turns import serve  # noqa: E402


class Sample(Reformer.Dataset):
    """One sample, always the same."""

    def __init__(self, ids):
        super().__init__()
        self.ids = ids

    def do_count_samples(self, length):
        return 1

    def do_read_sample(self, index, length):
        return self.ids

    def do_identify(self):
        return "sample"


def describe(device, parameters):
    sizes = {parameter.props.name: int(np.prod(parameter.get_shape())) for parameter in parameters}
    return {"runtime": "%s %s, %s kernels" % (device.get_platform(), device.get_driver(), device.get_kernels()), "threads": device.get_compute_units(),
            "tensors": len(sizes), "parameters": sum(sizes.values()), "positions": sum(size for name, size in sizes.items() if "position" in name)}


def count_gradients(parameters):
    return {"with_gradients": sum(bool(np.any(np.asarray(parameter.props.gradient))) for parameter in parameters)}


def serve_layer(device, mode, length):
    layer = Reformer.FullAttention(device=device, hidden_size=256, num_attention_heads=4, attention_head_size=64, causal=True)
    numbers = np.random.default_rng(0).standard_normal((2, 1, length, 256)).astype(np.float32)
    x, dy = Reformer.Tensor.from_array(numbers[0], device), Reformer.Tensor.from_array(numbers[1], device)
    del numbers
    tape = Reformer.Tape(device=device, recording=mode != "forward", training=mode != "forward")

    def work():
        layer.forward(x, tape)
        if mode != "forward":
            layer.clear_gradients()
            layer.backward(dy, tape)
        device.synchronize()

    serve(describe(device, layer.get_parameters()), work, lambda: count_gradients(layer.get_parameters()))


def serve_model(device, kind, mode, length):
    config = Reformer.Config.new_preset("bench-lsh")
    config.choose_axial_shape(length, 2)
    config.props.max_position_embeddings = length
    if kind == "full":
        # one chunk is the whole sequence
        config.set_attn_layers(["local"] * config.get_n_layers())
        config.props.local_attn_chunk_length = length
    model = Reformer.Model(device=device, config=config)
    ids = np.random.default_rng(0).integers(3, config.props.vocab_size, (1, length)).astype(np.int32)
    losses = [None]

    if mode == "forward":
        tokens = Reformer.Tensor.from_array(ids, device)

        def work():
            model.forward(tokens, None)
            device.synchronize()
    else:
        model.get_stack().props.keep = Reformer.Keep.NOTHING if mode == "nothing" else Reformer.Keep.EVERYTHING
        trainer = Reformer.Trainer(model=model, dataset=Sample(ids[0].tolist()), sequence_length=length, shuffle=False, max_gradient_norm=0,
                                   optimizer=Reformer.AdamW(learning_rate=1e-4, weight_decay=0))
        trainer.connect("step", lambda _, record: losses.append(record.props.loss))

        def work():
            trainer.train(1, None)
            device.synchronize()
            return losses[-1]

    parameters = model.get_parameters()
    buckets = {"buckets": config.get_bucket_factors()} if kind == "lsh" else {}
    serve(describe(device, parameters), work, lambda: dict(count_gradients(parameters), **buckets))


def main(kind, mode, length):
    device = Reformer.Device.get_default()
    if kind == "layer":
        serve_layer(device, mode, int(length))
    else:
        serve_model(device, kind, mode, int(length))


if __name__ == "__main__":
    main(*sys.argv[1:])
