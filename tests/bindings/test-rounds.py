# SPDX-License-Identifier: LGPL-2.1-or-later
"""1,000 times a model and a trainer are made, a step is trained, and all is dropped: what the process holds stays what it was after the first 100."""

import gi

gi.require_version('Reformer', '1.0')
from gi.repository import GLib, Reformer  # noqa: E402

import live  # noqa: E402
import tap  # noqa: E402

ROUNDS = 1000
device = Reformer.Device.get_default()


class Ones(Reformer.Dataset):
    def do_count_samples(self, length):
        return 4

    def do_read_sample(self, index, length):
        return [1] * length


class Still(Reformer.Layer):
    """Adds nothing."""

    def __init__(self):
        super().__init__(device=device)
        self.zeros = Reformer.Tensor.from_array([[[0.0] * 8] * 8], device)

    def do_forward(self, input, tape):
        return self.zeros

    def do_backward(self, gradient, tape):
        return self.zeros


def train_later(trainer):
    loop = GLib.MainLoop()
    results = []
    trainer.train_async(1, None, lambda trainer, result: [results.append(result), loop.quit()])
    loop.run()
    trainer.train_finish(results[0])


def go(own, later):
    config = Reformer.Config(vocab_size=8, is_decoder=True, hidden_size=8, num_attention_heads=1, attention_head_size=8, feed_forward_size=8,
                             attn_layers=['local'], local_attn_chunk_length=4, axial_pos_embds=False, max_position_embeddings=8)
    model = Reformer.Model(device=device, config=config)
    if own:
        model.stack.insert(1, 'still', Still())
    trainer = Reformer.Trainer(model=model, dataset=Ones(), sequence_length=8)
    trainer.connect('step', lambda trainer, record: steps.append(record.step))
    if later:
        train_later(trainer)
    else:
        trainer.train(1, None)


steps = []


def test_all():
    seen, objects = [], []
    for i in range(ROUNDS):
        go(own=i % 2 == 1, later=i % 4 >= 2)
        if i % 100 == 99:
            objects.append(live.live())
            seen.append(live.resident())
    print('# resident after each 100: %s KiB; objects: %s' % (seen, objects))
    assert steps == [1] * ROUNDS
    assert set(objects) == {objects[0]}, objects
    assert seen[-1] < seen[0] + 2048, seen


tap.run('python-rounds', tap.collect(globals()))
