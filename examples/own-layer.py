# SPDX-License-Identifier: LGPL-2.1-or-later
"""A layer written in Python, put between those of a model and trained with them: python3 own-layer.py [FILE [STEPS]]"""
import sys

import gi

gi.require_version("Reformer", "1.0")
from gi.repository import Gio, Reformer  # noqa: E402


class Adapter(Reformer.Layer):
    """Squeezes each token through a narrow middle."""

    def __init__(self, device, width, narrow):
        super().__init__(device=device, target=1)  # it is added to the stream that feed-forward layers are added to
        self.norm = Reformer.LayerNorm(device=device, size=width)
        self.down = Reformer.Linear(device=device, in_features=width, out_features=narrow)
        self.up = Reformer.Linear(device=device, in_features=narrow, out_features=width)
        self.add_child("norm", self.norm)
        self.add_child("down", self.down)
        self.add_child("up", self.up)

    def do_forward(self, input, tape):
        return self.up.forward(self.down.forward(self.norm.forward(input, tape), tape), tape)

    def do_backward(self, gradient, tape):
        return self.norm.backward(self.down.backward(self.up.backward(gradient, tape), tape), tape)


def main():
    path, steps = sys.argv[1:] + ["book.txt", "100"][len(sys.argv) - 1:]
    device = Reformer.Device.get_default()
    model = Reformer.Model(device=device, config=Reformer.Config.new_preset("small"))
    adapter = Adapter(device, model.config.hidden_size, 16)
    model.stack.insert(2, "adapter", adapter)
    text = Reformer.TextDataset(file=Gio.File.new_for_path(path))
    trainer = Reformer.Trainer(model=model, dataset=text, sequence_length=512)
    print("before: %.6f bits per byte" % trainer.evaluate(None, None).bits)
    trainer.train(int(steps), None)
    print("after: %.6f bits per byte" % trainer.evaluate(None, None).bits)
    for parameter in adapter.get_parameters():
        print(parameter.name)


main()
