# SPDX-License-Identifier: LGPL-2.1-or-later
"""A data set written in Python: python3 own-dataset.py [STEPS]"""
import sys

import gi

gi.require_version("Reformer", "1.0")
from gi.repository import Reformer  # noqa: E402


class Waves(Reformer.Dataset):
    """Samples of triangle waves with other periods and phases, as levels from 0 to 31."""

    def __init__(self, first, count):
        super().__init__()
        self.first = first
        self.count = count

    def do_count_samples(self, length):
        return self.count

    def do_read_sample(self, index, length):
        number = self.first + index
        period = 5 + number % 27
        return [abs((number + i) % (2 * period) - period) * 31 // period for i in range(length)]


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    config = Reformer.Config(vocab_size=32, is_decoder=True, hidden_size=64, num_attention_heads=2, attention_head_size=32, feed_forward_size=128,
                             attn_layers=["local", "lsh"], axial_pos_shape=[16, 16], axial_pos_embds_dim=[16, 48], axial_norm_std=0.1)
    model = Reformer.Model(config=config)
    trainer = Reformer.Trainer(model=model, dataset=Waves(0, 1000), evaluation_dataset=Waves(1000, 20), evaluation_interval=20,
                               optimizer=Reformer.AdamW(learning_rate=0.005), sequence_length=256, batch_size=4)
    trainer.connect("evaluated", lambda _, evaluation: print("step %d: %.6f bits per level" % (evaluation.step, evaluation.bits)))
    trainer.train(steps, None)


main()
