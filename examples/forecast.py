# SPDX-License-Identifier: LGPL-2.1-or-later
"""A series that is continued: vectors instead of ids, and a value at each position: python3 forecast.py [STEPS]"""
import sys

import gi
import numpy

gi.require_version("Reformer", "1.0")
from gi.repository import Reformer  # noqa: E402


def level(hour):
    """What a meter says: a day of 24 hours, and a week."""
    return abs(hour % 24 - 12) / 6 - 1 + abs(hour % 168 - 84) / 84


class Hours(Reformer.Dataset):
    """Stretches of the series; what is to be learned of each hour is the next one."""

    def __init__(self, first, count):
        super().__init__()
        self.first = first
        self.count = count

    def do_count_samples(self, length):
        return self.count

    def do_read_sample(self, index, length):
        start = self.first + 37 * index
        series = numpy.array([[level(start + i)] for i in range(length + 1)], "float32")
        return Reformer.Sample.new_from_values(series[:-1], labels=series[1:].tobytes())


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    config = Reformer.Config(head=Reformer.Head.VALUES, num_labels=1, input_features=1, is_decoder=True, hidden_size=32, num_attention_heads=2,
                             attention_head_size=16, feed_forward_size=64, attn_layers=["local", "lsh"], axial_pos_shape=[16, 32],
                             axial_pos_embds_dim=[8, 24], axial_norm_std=0.1, initializer_range=0.15, hidden_dropout_prob=0)
    model = Reformer.Model(config=config)
    trainer = Reformer.Trainer(model=model, dataset=Hours(0, 100), evaluation_dataset=Hours(5000, 10), optimizer=Reformer.AdamW(learning_rate=0.005),
                               schedule=Reformer.Schedule(warmup_steps=20), sequence_length=336, batch_size=2)
    trainer.train(steps, None)
    print("mean squared error %.6f" % trainer.evaluate(None, None).mean_squared_error)

    series = [level(9000 + i) for i in range(336)]
    for _ in range(24):
        said = model.forward(numpy.array(series, "float32").reshape(1, -1, 1), None)
        series.append(float(numpy.asarray(said)[0, -1, 0]))
    print("the next day:", " ".join("%.3f" % value for value in series[-24:]))


main()
