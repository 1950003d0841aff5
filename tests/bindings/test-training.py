# SPDX-License-Identifier: LGPL-2.1-or-later
"""Training with a data set, tokenizer, layer, optimizer and schedule that are written in Python: what they raise, cancellation, memory."""

import os
import resource
import tempfile
import threading

import gi
import numpy

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, GLib, Reformer  # noqa: E402

import tap  # noqa: E402
from tap import raises  # noqa: E402

Error = GLib.Error
device = Reformer.Device.get_default()
config = Reformer.Config(vocab_size=32, is_decoder=True, hidden_size=32, num_attention_heads=2, attention_head_size=16, feed_forward_size=32,
                         attn_layers=['local'], axial_pos_shape=[8, 8], axial_pos_embds_dim=[8, 24])


class Mine:
    """Raises in the function whose name `broken` is, and remembers the threads that called."""

    broken = None
    threads = set()

    def enter(self, name):
        self.threads.add(threading.current_thread())
        if self.broken == name:
            raise ValueError('%s is broken' % name)


class Counting(Mine, Reformer.Dataset):
    def do_count_samples(self, length):
        self.enter('count_samples')
        return 50

    def do_read_sample(self, index, length):
        self.enter('read_sample')
        return [(index + i) % 32 for i in range(length)]

    def do_identify(self):
        self.enter('identify')
        return 'counting'


class Letters(Mine, Reformer.Tokenizer):
    def do_encode(self, text):
        self.enter('encode')
        return [byte % 32 for byte in text.get_data()]

    def do_decode(self, ids):
        return b'?' * (ids.get_size() // 4)

    def do_count_ids(self):
        return 32


class Half(Mine, Reformer.Layer):
    def do_forward(self, input, tape):
        self.enter('forward')
        return numpy.asarray(input) / 2

    def do_backward(self, gradient, tape):
        self.enter('backward')
        return numpy.asarray(gradient) / 2


class Descent(Mine, Reformer.Optimizer):
    def do_update(self, parameter, step, learning_rate, scale):
        self.enter('update')
        parameter.value.upload(numpy.asarray(parameter.value) - learning_rate * scale * numpy.asarray(parameter.gradient))


class Slower(Mine, Reformer.Schedule):
    def do_compute_factor(self, step, total_steps):
        self.enter('compute_factor')
        return 1 / step


def make_mine(kind):
    settings = {Half: {'device': device, 'target': 1}, Descent: {'learning_rate': 0.1}}
    return kind(**next((setting for base, setting in settings.items() if issubclass(kind, base)), {}))


def make(**objects):
    """A trainer with everything written in Python, and those objects instead of the usual ones."""
    layer = objects.pop('layer', make_mine(Half))
    settings = {'dataset': Counting(), 'optimizer': make_mine(Descent), 'schedule': Slower(), **objects}
    model = Reformer.Model(device=device, config=config)
    model.stack.insert(1, 'half', layer)
    return Reformer.Trainer(model=model, sequence_length=32, **settings)


def train(trainer, steps=2, cancellable=None):
    trainer.train(steps, cancellable)


def train_later(trainer, steps=2, cancellable=None):
    loop = GLib.MainLoop()
    results = []

    def ready(trainer, result):
        results.append(result)
        loop.quit()

    trainer.train_async(steps, cancellable, ready)
    loop.run()
    trainer.train_finish(results[0])


BOTH = [train, train_later]
BROKEN = [
    ('dataset', Counting, 'count_samples', 'reformer-file-error-quark'),
    ('dataset', Counting, 'read_sample', 'reformer-file-error-quark'),
    ('optimizer', Descent, 'update', 'reformer-trainer-error-quark'),
    ('schedule', Slower, 'compute_factor', 'reformer-trainer-error-quark'),
    ('layer', Half, 'forward', 'reformer-model-error-quark'),
    ('layer', Half, 'backward', 'reformer-model-error-quark'),
]


def test_same():
    """The same losses in both forms, all functions called in this thread."""
    losses = []
    for way in BOTH:
        Mine.threads.clear()
        trainer = make()
        way(trainer, 6)
        losses.append([record.loss for record in trainer.history])
        assert Mine.threads == {threading.current_thread()}, Mine.threads
    assert losses[0] == losses[1] and len(losses[0]) == 6
    assert losses[0][-1] < losses[0][0], losses[0]


def test_exceptions():
    for way in BOTH:
        for place, kind, function, domain in BROKEN:
            mine = make_mine(kind)
            mine.broken = function
            trainer = make(**{place: mine})
            error = raises(Error, ['%s of %s' % (function, kind.__name__), 'ValueError: %s is broken' % function, 'test-training.py'], way, trainer)
            assert error.domain == domain, error.domain
            assert trainer.stop_reason == Reformer.StopReason.FAILED and not trainer.running
            mine.broken = None
            way(trainer)
            assert trainer.n_steps == 2


def test_tokenizer():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'text.txt')
        with open(path, 'w') as text:
            text.write('the quick brown fox jumps over the lazy dog. ' * 20)
        for way in BOTH:
            letters = Letters()
            letters.broken = 'encode'
            trainer = make(dataset=Reformer.TextDataset(file=Gio.File.new_for_path(path), tokenizer=letters))
            raises(Error, ['encode of Letters', 'ValueError: encode is broken', 'test-training.py'], way, trainer)
            letters.broken = None
            way(trainer)
            assert trainer.n_steps == 2


def test_cancelled():
    """In the middle of each function; what was begun can go on."""
    whole = make()
    train(whole, 4)
    for way in BOTH:
        for place, kind, function, _ in BROKEN[1:]:
            cancellable = Gio.Cancellable()

            class Cancelling(kind):
                calls = 0

                def enter(self, name):
                    self.calls += name == function
                    if self.calls == 3:
                        cancellable.cancel()

            trainer = make(**{place: make_mine(Cancelling)})
            error = raises(Error, ['cancelled'], way, trainer, 4, cancellable)
            assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED)
            assert trainer.stop_reason == Reformer.StopReason.CANCELLED and trainer.n_steps < 4, trainer.n_steps
            way(trainer, 4 - trainer.n_steps)
            assert [record.loss for record in trainer.history] == [record.loss for record in whole.history], function


def test_memory():
    """1,000 steps with functions in Python; the memory of the process stays where it was after the first 300."""
    trainer = make(history_interval=100)
    train_later(trainer, 300)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    train(trainer, 350)
    train_later(trainer, 350)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print('# %d KiB more after 700 steps' % grown)
    assert trainer.n_steps == 1000 and grown < 2048


tap.run('python-training', tap.collect(globals()))
