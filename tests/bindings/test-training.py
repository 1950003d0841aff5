# SPDX-License-Identifier: LGPL-2.1-or-later
"""Data sets, tokenizers, layers, optimizers and schedules that are written in Python: what they raise, cancellation, memory."""

import os
import tempfile
import threading

import gi
import numpy

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, GLib, Reformer  # noqa: E402

import live  # noqa: E402
import tap  # noqa: E402
from tap import raises  # noqa: E402

Error = GLib.Error
device = Reformer.Device.get_default()
config = Reformer.Config(vocab_size=32, is_decoder=True, hidden_size=32, num_attention_heads=2, attention_head_size=16, feed_forward_size=32,
                         attn_layers=['local'], axial_pos_shape=[8, 8], axial_pos_embds_dim=[8, 24])
folder = tempfile.TemporaryDirectory()
book = Gio.File.new_for_path(os.path.join(folder.name, 'book.txt'))
with open(book.get_path(), 'w') as text:
    text.write('the quick brown fox jumps over the lazy dog. ' * 20)

# What every function written here calls first, and in which threads.
disturb = None
threads = set()


def enter(name):
    threads.add(threading.current_thread())
    if disturb is not None:
        disturb(name)


class Counting(Reformer.Dataset):
    def do_count_samples(self, length):
        enter('count_samples')
        return 50

    def do_read_sample(self, index, length):
        enter('read_sample')
        return [(index + i) % 32 for i in range(length)]

    def do_read_sample_of_epoch(self, index, length, epoch):
        enter('read_sample_of_epoch')
        return self.read_sample(index, length)

    def do_get_held_out(self):
        enter('get_held_out')
        return Counting()

    def do_identify(self):
        enter('identify')
        return 'counting'


class Letters(Reformer.Tokenizer):
    def do_encode(self, text):
        enter('encode')
        return [byte % 32 for byte in text.get_data()]

    def do_decode(self, ids):
        enter('decode')
        return bytes(97 + i for i in numpy.frombuffer(ids.get_data() or b'', dtype=numpy.int32))

    def do_count_ids(self):
        enter('count_ids')
        return 32

    def do_identify(self):
        enter('identify')
        return 'letters'


class Half(Reformer.Layer):
    def do_forward(self, input, tape):
        enter('forward')
        return numpy.asarray(input) / 2

    def do_backward(self, gradient, tape):
        enter('backward')
        return numpy.asarray(gradient) / 2


class Descent(Reformer.Optimizer):
    def do_update(self, parameter, step, learning_rate, scale):
        enter('update')
        parameter.value.upload(numpy.asarray(parameter.value) - learning_rate * scale * numpy.asarray(parameter.gradient))


class Slower(Reformer.Schedule):
    def do_compute_factor(self, step, total_steps):
        enter('compute_factor')
        return 1 / step


def make_model():
    model = Reformer.Model(device=device, config=config)
    model.stack.insert(1, 'half', Half(device=device, target=1))
    return model


def make_trainer(**settings):
    """A trainer with everything written in Python, and those objects instead of the usual ones."""
    return Reformer.Trainer(model=make_model(), sequence_length=32, **{'dataset': Counting(), 'optimizer': Descent(learning_rate=0.1), 'schedule': Slower(), **settings})


def blocking(object, function, *arguments):
    return getattr(object, function)(*arguments)


def later(object, function, *arguments):
    loop = GLib.MainLoop()
    results = []

    def ready(object, result):
        results.append(result)
        loop.quit()

    getattr(object, function + '_async')(*arguments, ready)
    loop.run()
    return getattr(object, function + '_finish')(results[0])


BOTH = [blocking, later]

# ---- What is done with such objects: go() ends it, wherever it was stopped, and its result is always the same ----


class Training:
    def __init__(self, **settings):
        self.trainer = make_trainer(**settings)

    def go(self, way, cancellable):
        if self.trainer.n_steps < 4:
            way(self.trainer, 'train', 4 - self.trainer.n_steps, cancellable)
        return [record.loss for record in self.trainer.history]

    def check_stopped(self, reason):
        assert self.trainer.stop_reason == reason and not self.trainer.running and self.trainer.n_steps < 4


class OfText(Training):
    def __init__(self, **settings):
        super().__init__(dataset=Reformer.TextDataset(file=book, tokenizer=Letters()), **settings)


class InFolder(Training):
    def __init__(self, **settings):
        self.folder = tempfile.TemporaryDirectory()
        super().__init__(folder=Gio.File.new_for_path(os.path.join(self.folder.name, 'run')), checkpoint_interval=2, **settings)


class OfTextInFolder(InFolder):
    def __init__(self):
        super().__init__(dataset=Reformer.TextDataset(file=book, tokenizer=Letters()))


class Evaluating(Training):
    def go(self, way, cancellable):
        return way(self.trainer, 'evaluate', None, cancellable).loss

    def check_stopped(self, reason):
        assert not self.trainer.running


class Generating:
    def __init__(self):
        self.generator = Reformer.Generator(model=make_model(), tokenizer=Letters(), prompt='abc', max_tokens=6, seed=1)

    def go(self, way, cancellable):
        return way(self.generator, 'generate', cancellable)

    def check_stopped(self, reason):
        pass


DATA, MODEL, TRAINER = 'reformer-file-error-quark', 'reformer-model-error-quark', 'reformer-trainer-error-quark'
FUNCTIONS = [
    (Training, Counting, 'count_samples', DATA),
    (Training, Counting, 'read_sample', DATA),
    (Training, Counting, 'read_sample_of_epoch', DATA),
    (Training, Descent, 'update', TRAINER),
    (Training, Slower, 'compute_factor', TRAINER),
    (Training, Half, 'forward', MODEL),
    (Training, Half, 'backward', MODEL),
    (OfText, Letters, 'encode', DATA),
    (OfText, Letters, 'count_ids', DATA),
    (InFolder, Counting, 'identify', DATA),
    (OfTextInFolder, Letters, 'identify', DATA),
    (Evaluating, Counting, 'get_held_out', DATA),
    (Evaluating, Counting, 'count_samples', DATA),
    (Evaluating, Counting, 'read_sample', DATA),
    (Evaluating, Half, 'forward', MODEL),
    (Generating, Letters, 'encode', DATA),
    (Generating, Letters, 'decode', DATA),
    (Generating, Letters, 'count_ids', DATA),
    (Generating, Half, 'forward', MODEL),
]


class Disturbing:
    """Does something in the nth call of a function."""

    def __init__(self, name, nth, what):
        self.name, self.nth, self.what, self.calls = name, nth, what, 0

    def __call__(self, name):
        self.calls += name == self.name
        if name == self.name and self.calls >= self.nth:
            self.what()

    def __enter__(self):
        global disturb
        disturb = self
        return self

    def __exit__(self, *exception):
        global disturb
        disturb = None


def try_all(test):
    """Calls test(scene, way, kind, function, domain, result, calls) for each function in both forms; afterwards there are no more objects than before."""
    before = live.live()
    for scene, kind, function, domain in FUNCTIONS:
        with Disturbing(function, 1, lambda: None) as counting:
            result = scene().go(blocking, None)
        assert counting.calls > 0, 'nobody calls %s' % function
        for way in BOTH:
            test(scene(), way, kind, function, domain, result, counting.calls)
            assert live.live() == before, '%s %s: %d objects, %d before' % (scene.__name__, function, live.live(), before)


def test_same():
    """The same losses in both forms, all functions called in this thread."""
    for scene in (Training, OfText, InFolder, OfTextInFolder, Evaluating, Generating):
        threads.clear()
        assert scene().go(blocking, None) == scene().go(later, None), scene.__name__
        assert threads == {threading.current_thread()}, threads
    losses = Training().go(blocking, None)
    assert len(losses) == 4 and losses[-1] < losses[0], losses


def test_exceptions():
    def attempt(scene, way, kind, function, domain, result, calls):
        # in the first call, and in the last one, where it goes on with what the calls before have done
        for nth in {1, calls}:
            def fail():
                raise ValueError('%s is broken' % function)

            with Disturbing(function, nth, fail):
                error = raises(Error, ['ValueError: %s is broken' % function, 'test-training.py'], scene.go, way, None)
            if not (kind is Letters and function == 'decode' and nth == 1):
                assert error.domain == domain and '%s of %s' % (function, kind.__name__) in error.message, (error.domain, error.message)
            if nth == 1:
                scene.check_stopped(Reformer.StopReason.FAILED)
            again = scene.go(way, None)
            assert again == result or (function == 'update' and nth > 1), (again, result)
            scene = type(scene)()

    try_all(attempt)


def test_cancelled():
    """In the middle of each function; what was begun can go on."""
    def attempt(scene, way, kind, function, domain, result, calls):
        cancellable = Gio.Cancellable()
        with Disturbing(function, (calls + 1) // 2, cancellable.cancel):
            error = raises(Error, ['cancelled'], scene.go, way, cancellable)
        assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED)
        scene.check_stopped(Reformer.StopReason.CANCELLED)
        again = scene.go(way, None)
        assert again == result, (again, result)

    try_all(attempt)


class Passes(Counting):
    """Remembers which sample was read in which pass; evaluations read without one."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def do_count_samples(self, length):
        return 3

    def do_read_sample(self, index, length):
        self.seen.append((index, None))
        return [1] * length

    def do_read_sample_of_epoch(self, index, length, epoch):
        self.seen.append((index, epoch))
        return [1] * length


def test_passes():
    for way in BOTH:
        trainer = make_trainer(dataset=Passes(), batch_size=2)
        way(trainer, 'train', 2, None)
        way(trainer, 'train', 2, None)
        seen = trainer.dataset.seen
        assert [epoch for _, epoch in seen] == [0, 0, 0, 1, 1, 1, 2, 2], seen
        assert {index for index, _ in seen[:3]} == {index for index, _ in seen[3:6]} == {0, 1, 2}, seen
        trainer.dataset.seen.clear()
        trainer.evaluate(trainer.dataset, None)
        assert trainer.dataset.seen == [(0, None), (1, None), (2, None)], trainer.dataset.seen


def test_memory():
    """1,000 steps with functions in Python, half of them on text; memory and objects stay what they were after the first 100 of each."""
    for dataset in (Counting(), Reformer.TextDataset(file=book, tokenizer=Letters())):
        trainer = make_trainer(dataset=dataset, history_interval=100)
        later(trainer, 'train', 100, None)
        before, objects = live.resident(), live.live() - len(trainer.history)
        for way in BOTH:
            way(trainer, 'train', 200, None)
            assert live.live() - len(trainer.history) == objects, '%d objects, %d before' % (live.live() - len(trainer.history), objects)
        grown = live.resident() - before
        print('# %d objects, %d KiB more after 400 steps' % (objects, grown))
        assert trainer.n_steps == 500 and grown < 2048


tap.run('python-training', tap.collect(globals()))
