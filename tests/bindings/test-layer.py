# SPDX-License-Identifier: LGPL-2.1-or-later
"""Layers written in Python, alone and in the stack of a model."""

import os
import tempfile

import gi
import numpy

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, GLib, Reformer  # noqa: E402

import golden  # noqa: E402
import tap  # noqa: E402
from tap import raises  # noqa: E402

device = Reformer.Device.get_default()
answers = golden.read('mixed')
ids, labels = answers['ids'], answers['labels']


class Adapter(Reformer.Layer):
    """Half of a linear map, composed of the library's own layer and a little host work."""

    def __init__(self, device, width):
        super().__init__(device=device, target=1)
        self.inner = Reformer.Linear(device=device, in_features=width, out_features=width)
        self.add_child('inner', self.inner)
        self.calls = 0
        self.how = 'well'

    def do_forward(self, input, tape):
        self.calls += 1
        if self.how == 'raises':
            raise ValueError('the input is\nnot to my taste')
        if self.how == 'none':
            return None
        if self.how == 'shape':
            return [1.0, 2.0]
        if self.how == 'library':
            return self.inner.forward([[1.0, 2.0]], tape)
        return numpy.asarray(self.inner.forward(input, tape)) / 2

    def do_backward(self, gradient, tape):
        if self.how == 'backward':
            raise KeyError('lost')
        return self.inner.backward(numpy.asarray(gradient) / 2, tape)


class Scale(Reformer.Layer):
    """A parameter of its own, and host arrays only."""

    def __init__(self, width):
        super().__init__()
        self.scale = Reformer.Parameter.new(device, 'scale', [width])
        self.scale.fill(2)
        self.add_parameter(self.scale)

    def do_forward(self, input, tape):
        tape.push(input)
        return numpy.asarray(input) * numpy.asarray(self.scale.value)

    def do_backward(self, gradient, tape):
        saved = tape.pop()
        self.sums = (numpy.asarray(saved) * numpy.asarray(gradient)).sum((0, 1))
        return numpy.asarray(gradient) * numpy.asarray(self.scale.value)


def make(name='mixed'):
    model = Reformer.Model.load(device, Gio.File.new_for_path(golden.folder(name)), None)
    layer = Adapter(device, model.get_config().hidden_size)
    model.stack.insert(2, 'mine', layer)
    return model, layer


def test_alone():
    layer = Scale(3)
    tape = Reformer.Tape(device=device)
    x = numpy.arange(6, dtype='f4').reshape(1, 2, 3)
    assert (numpy.asarray(layer.forward(x, tape)) == 2 * x).all()
    assert tape.get_depth() == 1
    assert (numpy.asarray(layer.backward(x + 1, tape)) == 2 * (x + 1)).all()
    assert tape.get_depth() == 0
    assert (layer.sums == (x * (x + 1)).sum((0, 1))).all()


def test_gradients_without_device():
    layer = Scale(3)
    assert layer.device is None and layer.scale.gradient is None
    layer.clear_gradients()
    assert (numpy.asarray(layer.scale.gradient) == [0, 0, 0]).all()


def test_parameters():
    model, layer = make()
    names = [p.name for p in model.get_parameters()]
    assert 'reformer.encoder.extra.mine.inner.weight' in names and 'reformer.encoder.extra.mine.inner.bias' in names
    assert [type(b).__name__ for b in model.stack][1:4] == ['FeedForward', 'Adapter', 'LshAttention']
    assert model.stack[2] is layer and layer.target == 1


def test_differences():
    model, layer = make('local')  # without LSH: buckets make the loss jump
    answers = golden.read('local')
    ids, labels = answers['ids'], answers['labels']
    model.get_parameters()
    weight = layer.get_parameters()[0]
    for keep in [Reformer.Keep.EVERYTHING, Reformer.Keep.INPUTS, Reformer.Keep.NOTHING]:
        model.stack.keep = keep
        model.compute_gradients(ids, None, labels)
        gradient = numpy.array(weight.gradient)
        at = numpy.unravel_index(numpy.abs(gradient).argmax(), gradient.shape)
        values = numpy.array(weight.value)
        losses = []
        for step in [0.01, -0.01]:
            moved = values.copy()
            moved[at] += step
            weight.value.upload(moved)
            losses.append(model.compute_loss(ids, None, labels))
        weight.value.upload(values)
        difference = (losses[0] - losses[1]) / 0.02
        print('# %s: %.6g by backward, %.6g by differences' % (keep.value_nick, gradient[at], difference))
        assert abs(difference - gradient[at]) < 0.01 * abs(gradient[at])


def test_trains():
    model, layer = make()
    model.get_parameters()
    before = numpy.array(layer.get_parameters()[0].value)
    losses = []
    for _ in range(8):
        losses.append(model.compute_gradients(ids, None, labels))
        for parameter in model.get_parameters():
            parameter.value.upload(numpy.asarray(parameter.value) - 0.1 * numpy.asarray(parameter.gradient))
    print('# losses', ' '.join('%.3f' % loss for loss in losses))
    assert losses[-1] < losses[0] - 0.5
    assert not (numpy.asarray(layer.get_parameters()[0].value) == before).all()


def test_saved():
    model, layer = make()
    loss = model.compute_loss(ids, None, labels)
    with tempfile.TemporaryDirectory() as folder:
        file = Gio.File.new_for_path(os.path.join(folder, 'model'))
        model.save(file, None)
        again, _ = make()
        assert again.load_weights(file, None)
        assert again.compute_loss(ids, None, labels) == loss


def test_exceptions():
    model, layer = make()
    right = model.compute_gradients(ids, None, labels)
    for how, words in [('raises', ['forward', 'Adapter', 'ValueError', 'the input is not to my taste', 'test-layer.py']),
                       ('none', ['forward', 'Adapter', 'None', 'tensor']), ('shape', ['forward', 'Adapter', 'float32 [2]', '[1, 64, 32]']),
                       ('library', ['ReformerLinear', 'float32 [1, 2]', '32'])]:
        layer.how = how
        error = raises(GLib.Error, words, model.compute_gradients, ids, None, labels)
        assert error.domain == 'reformer-model-error-quark'
        raises(GLib.Error, words, model.forward, ids)
    layer.how = 'backward'
    raises(GLib.Error, ['backward', 'Adapter', 'KeyError', 'lost'], model.compute_gradients, ids, None, labels)
    layer.how = 'well'
    assert model.compute_gradients(ids, None, labels) == right


def test_inherited():
    class Loud(Adapter):
        def do_forward(self, input, tape):
            return numpy.asarray(super().do_forward(input, tape)) * 2

    layer = Loud(device, 4)
    x = numpy.ones((1, 2, 4), 'f4')
    tape = Reformer.Tape(device=device)
    assert numpy.allclose(numpy.asarray(layer.forward(x, tape)), numpy.asarray(layer.inner.forward(x, tape)))


def test_without_functions():
    class Empty(Reformer.Layer):
        pass

    layer = Empty()
    tape = Reformer.Tape(device=device)
    raises(GLib.Error, ['forward', 'Empty'], layer.forward, [[1.0]], tape)
    raises(GLib.Error, ['backward', 'Empty'], layer.backward, [[1.0]], tape)


tap.run('python/layer', tap.collect(globals()))
