# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mistakes that are Python's own: each raises an exception that names the thing, the value and what was wanted.

G_DEBUG=fatal-criticals ends the process where a mistake is only a critical message, and a warning is a failure.
"""

import os
import re
import tempfile
import warnings

import gi
import numpy

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, GLib, Reformer  # noqa: E402

import tap  # noqa: E402
from simple import Numbers, load, trainer  # noqa: E402
from tap import raises  # noqa: E402

warnings.simplefilter('error', Warning)
device = Reformer.Device.get_default()


def test_arguments():
    """The function, what it was given, and what it takes."""
    model, one = load(), trainer()
    raises(TypeError, ['Model.freeze(3)', 'string', 'wanted freeze(pattern:str)'], model.freeze, 3)
    raises(TypeError, ["Trainer.train('x', None)", 'number', 'n_steps:int'], one.train, 'x', None)
    raises(TypeError, ['n_steps is 1.5, not an integer'], one.train, 1.5, None)
    raises(OverflowError, ['Trainer.train(-1, None)', '0 to 4294967295'], one.train, -1, None)
    raises(TypeError, ['Trainer.train()', 'n_steps is missing', 'wanted train(n_steps:int, cancellable:Gio.Cancellable=None)'], one.train)
    raises(TypeError, ['Trainer.train(1, 2, 3)', '3 arguments', 'n_steps:int'], one.train, 1, 2, 3)
    raises(TypeError, ['Trainer.train(steps=1)', 'no parameter is called steps', 'n_steps:int'], one.train, steps=1)
    raises(TypeError, ['ids has 1.5 at index 1'], Reformer.Sample.new_from_ids, [1, 1.5])
    raises(TypeError, ['ids has', '0.5', 'index 0'], Reformer.ByteTokenizer().decode_text, numpy.array([0.5], 'f4'))
    raises(TypeError, ['shape has 2.5 at index 0'], Reformer.Tensor.from_array([1, 2]).reshape, [2.5])
    count = Reformer.Config().count_operations
    for length in -1, numpy.int32(-1):
        raises(ValueError, ['Config.count_operations', 'length is -1, not at least 0'], count, length, False, Reformer.Keep.AUTO)
    raises(ValueError, ['length is -2'], count, keep=Reformer.Keep.AUTO, gradients=True, length=-2)
    raises(ValueError, ['features is -1, not at least 1'], Reformer.Sample.new_from_values, b'1234', -1)
    raises(ValueError, ['in_features is 0, not at least 1'], Reformer.Linear.new, device, 0, 2, True)
    raises(ValueError, ['num_attention_heads is -3, not at least 1'], Reformer.LshAttention.new, device, 8, -3, 4)
    raises(ValueError, ['size is 2147483648, not at most 2147483647'], Reformer.LayerNorm.new, device, 2**31)
    assert count(0, False, Reformer.Keep.AUTO) == 0 and count(4, False, Reformer.Keep.AUTO) > 0
    assert one.train(1) and one.n_steps == 1  # what may be left out
    raises(TypeError, ["Model.save('folder', None)", 'file', 'Gio.File', 'str'], model.save, 'folder', None)
    raises(TypeError, ['labels'], model.compute_loss, [[1]], None)
    raises(TypeError, ['Device.find(3)', 'wanted:str'], Reformer.Device.find, 3)
    raises(TypeError, ['Trainer.evaluate(3, None)', 'Reformer.Dataset', 'int'], one.evaluate, 3, None)
    raises(TypeError, ['tokens', '<U3', 'wanted'], model.forward, 'abc')
    raises(ValueError, ['tokens', 'homogeneous'], model.forward, [[1, 2], [3]])


def test_values():
    raises(TypeError, ['Config has no property vocabulary', 'vocab_size'], Reformer.Config, vocabulary=3)
    raises(TypeError, ['Trainer has no property batchsize', 'batch_size'], trainer, batchsize=3)
    raises(AttributeError, ['no property learnrate', 'learning_rate'], setattr, Reformer.AdamW().props, 'learnrate', 1)
    raises(TypeError, ['vocab_size of Config', '2.5', 'integer'], Reformer.Config, vocab_size=2.5)
    raises(TypeError, ['vocab_size of Config', 'None', 'integer'], Reformer.Config, vocab_size=None)
    raises(ValueError, ['vocab_size of Config', '1099511627776'], Reformer.Config, vocab_size=2**40)
    raises(TypeError, ['hidden_act of Config', '3', 'string'], Reformer.Config, hidden_act=3)
    raises(TypeError, ['is_decoder of Config', "'no'", 'True or False'], Reformer.Config, is_decoder='no')
    raises(ValueError, ['head of Config', '77', 'Reformer.Head.LANGUAGE'], Reformer.Config, head=77)
    raises(ValueError, ['head of Config', "'lost'", 'Reformer.Head.LANGUAGE'], Reformer.Config, head='lost')
    raises(TypeError, ['attn_layers of Config', "'local'", 'list of strings'], Reformer.Config, attn_layers='local')
    raises(TypeError, ['attn_layers of Config', '3 at index 1', 'string'], Reformer.Config, attn_layers=['lsh', 3])
    raises(TypeError, ['stop of Generator', "'x'", 'list of strings'], Reformer.Generator, stop='x')
    raises(TypeError, ['file of TextDataset', "'book.txt'", "Gio.File.new_for_path('book.txt')"], Reformer.TextDataset, file='book.txt')
    raises(TypeError, ['model of Trainer', '3', 'Reformer.Model'], Reformer.Trainer, model=3)
    raises(ValueError, ['learning_rate of AdamW', 'nan'], Reformer.AdamW, learning_rate=float('nan'))
    raises(TypeError, ['learning_rate of AdamW', "'fast'", 'number'], Reformer.AdamW, learning_rate='fast')
    raises(TypeError, ['tokens of Sample', '5', 'list'], Reformer.Sample, tokens=5)
    raises(AttributeError, ['loss of Trainer cannot be set'], setattr, trainer(), 'loss', 3)
    raises(AttributeError, ['model of Trainer', 'constructor'], setattr, trainer(), 'model', load())
    raises(TypeError, ['head of Config', 'Reformer.Keep.INPUTS', 'Reformer.Head.LANGUAGE'], Reformer.Config, head=Reformer.Keep.INPUTS)
    raises(AttributeError, ['Trainer has no property batchsize', 'batch_size'], setattr, trainer(), 'batchsize', 4)
    position = Reformer.AxialPosition(device=device, shape=[2, 3], dims=[4, 5])
    for same in ([2, 3], (2, 3), numpy.array([2, 3])):
        position.shape = same
    raises(AttributeError, ['shape of AxialPosition', 'constructor'], setattr, position, 'shape', numpy.array([3, 2]))
    sample = Reformer.Sample(tokens=[1, 2])
    sample.tokens = numpy.array([1, 2])
    raises(AttributeError, ['tokens of Sample', 'constructor'], setattr, sample, 'tokens', [2, 1])


def test_final():
    with open(os.environ['REFORMER_GIR'], encoding='utf-8') as file:
        classes = re.findall(r'<class name="(\w+)"([^>]*)>', file.read())
    final = [name for name, more in classes if 'final="1"' in more]
    assert len(final) > 30 and {name for name, _ in classes} - set(final) == {'Attention', 'Dataset', 'Layer', 'Optimizer', 'Schedule', 'Tokenizer'}, final
    for name in final:
        raises(TypeError, ['Mine is derived from Reformer.%s, which is final' % name, 'Reformer.Layer, ', ' or Reformer.Schedule'], type, 'Mine', (getattr(Reformer, name),), {})


class Anything(Reformer.Dataset):
    """Its functions return what they are told to."""

    result = None

    def do_count_samples(self, length):
        return self.result

    def do_identify(self):
        return self.result


class Samples(Anything):
    def do_count_samples(self, length):
        return 4

    def do_read_sample(self, index, length):
        return self.result


class AnyLayer(Reformer.Layer):
    result = None

    def do_forward(self, input, tape):
        return self.result


class AnySchedule(Reformer.Schedule):
    result = None

    def do_compute_factor(self, step, total):
        return self.result


class AnyTokenizer(Reformer.Tokenizer):
    result = None

    def do_encode(self, text):
        return self.result

    def do_decode(self, ids):
        return self.result

    def do_count_ids(self):
        return self.result


def with_result(kind, result):
    made = kind()
    made.result = result
    return made


def test_wrong_results():
    data, tape = Anything, Reformer.Tape(device=device)
    for result in ('x', 2**70, 1.5):
        raises(GLib.Error, ['count_samples of Anything', 'it returned %r' % result if result != 2**70 else '1180591620717411303424', 'wanted'], with_result(data, result).count_samples, 3)
    raises(GLib.Error, ['count_samples', '-1', 'at least 0'], with_result(data, -1).count_samples, 3)
    for result in ('x', 5, {}, [0.5], [2**40]):
        raises(GLib.Error, ['read_sample of Samples', 'wanted'], with_result(Samples, result).read_sample, 0, 3)
    raises(GLib.Error, ['identify of Anything', '3', 'string or None'], with_result(data, 3).identify)
    for result in (None, 'x', {}, [None], 2j):
        raises(GLib.Error, ['forward of AnyLayer', 'wanted'], with_result(AnyLayer, result).forward, [[1.0]], tape)
    for result in (None, 'x', []):
        raises(GLib.Error, ['compute_factor of AnySchedule', 'wanted a number'], with_result(AnySchedule, result).compute_factor, 1, 2)
    raises(GLib.Error, ['encode of AnyTokenizer', "'x'", 'wanted'], with_result(AnyTokenizer, 'x').encode_text, 'a')
    raises(GLib.Error, ['decode of AnyTokenizer', '5', 'bytes'], with_result(AnyTokenizer, 5).decode, [1])
    raises(GLib.Error, ['count_ids of AnyTokenizer', '2.5', 'number'], with_result(AnyTokenizer, 2.5).count_ids)

    class Few(Reformer.Layer):
        def do_forward(self, input):
            return input

    raises(GLib.Error, ['forward of Few', 'TypeError', '3 were given'], Few().forward, [[1.0]], tape)


class HalfSchedule(Reformer.Schedule):
    def do_compute_factor(self, step, total):
        return super().do_compute_factor(step, total) / 2


class QuarterSchedule(HalfSchedule):
    def do_compute_factor(self, step, total):
        return super().do_compute_factor(step, total) / 2 + 0 * Reformer.Schedule.do_compute_factor(self, step, total)


class NamedByClass(AnyTokenizer):
    def do_identify(self):
        return super().do_identify() + '!'

    def do_encode(self, text):
        return Reformer.Tokenizer.do_encode(self, text)


def test_super():
    """What a base class does, where it does something."""
    settings = {'warmup_steps': 4, 'decay': 'linear'}
    whole = Reformer.Schedule(**settings)
    for step in (1, 5, 9):
        factor = whole.compute_factor(step, 10)
        assert factor > 0 and whole.do_compute_factor(step, 10) == factor
        assert HalfSchedule(**settings).compute_factor(step, 10) == factor / 2
        assert QuarterSchedule(**settings).compute_factor(step, 10) == factor / 4
    assert NamedByClass().identify().endswith('NamedByClass!')
    raises(GLib.Error, ["doesn't implement encode"], NamedByClass().encode_text, 'a')


class Letters(AnyTokenizer):
    def do_identify(self):
        raise ValueError('lost')


def test_checkpoint():
    """What fails while a checkpoint is written is told beside its folder, not as a file of it."""
    with tempfile.TemporaryDirectory() as folder:
        data = Numbers(tokenizer=Letters())
        one = Reformer.Trainer(model=load(), dataset=data, sequence_length=8, folder=Gio.File.new_for_path(folder))
        raises(GLib.Error, ['checkpoints/step-0: identify of Letters: ValueError: lost'], one.save_checkpoint, None)


def result_of(start):
    """What the callback of an asynchronous call gets."""
    loop, results = GLib.MainLoop(), []
    start(lambda source, result: [results.append(result), loop.quit()])
    loop.run()
    return results[0]


def test_wrong_finish():
    one, other = trainer(), trainer()
    result = result_of(lambda callback: one.evaluate_async(None, None, callback))
    raises(GLib.Error, ['train_finish of ReformerTrainer', 'another call', 'train_async'], one.train_finish, result)
    raises(GLib.Error, ['evaluate_finish of ReformerTrainer', 'another call or object'], other.evaluate_finish, result)
    assert one.evaluate_finish(result).loss > 0
    error = raises(GLib.Error, ['evaluate_finish', 'finished before', 'once'], one.evaluate_finish, result)
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.INVALID_ARGUMENT)
    raises(TypeError, ['Trainer.train_finish(None)', 'None', 'Gio.AsyncResult'], one.train_finish, None)
    raises(TypeError, ['Trainer.train_finish', 'AsyncResult'], one.train_finish, one)


def test_twice():
    """Two iterations at once share the text; a list can be iterated as often as one likes."""
    one = Reformer.Generator(model=load(), prompt='\x01\x05', max_tokens=4, temperature=0)
    first, second = iter(one), iter(one)
    text = [str(next(first)), str(next(second)), str(next(first)), str(next(second))]
    raises(StopIteration, [], next, first)
    raises(StopIteration, [], next, second)
    assert ''.join(text) == one.generate(None)
    parameters = load().get_parameters()
    assert list(parameters) == list(parameters)


tap.run('python/misuse', tap.collect(globals()))
