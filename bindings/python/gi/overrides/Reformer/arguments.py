# SPDX-License-Identifier: LGPL-2.1-or-later
"""Arrays and lists where functions take tensors, and errors of arguments that name the function and what it got."""

from .arrays import DType, Reformer, Tensor, make_tensor

Inspection = Reformer.Inspection
Layer = Reformer.Layer
Model = Reformer.Model
Session = Reformer.Session
Tape = Reformer.Tape


# ---- Arrays as tensors ----


def _for_model(model, value, what):
    if value is None or isinstance(value, Tensor):
        return value
    if model is None:
        return make_tensor(value, Reformer.Device.get_default(), what, integers=DType.INT32)
    model.prepare()
    return make_tensor(value, model.get_device(), what, integers=DType.INT32)


def for_tape(tape, value, what):
    if value is None or isinstance(value, Tensor) or not isinstance(tape, Tape):
        return value
    return make_tensor(value, tape.get_device(), what)


def _check_tape(tape):
    if not isinstance(tape, Tape):
        raise TypeError('tape: %r; wanted a Reformer.Tape' % (tape,))


_model_forward = Model.forward
_model_encode = Model.encode
_model_compute_loss = Model.compute_loss
_model_compute_gradients = Model.compute_gradients
_layer_forward = Layer.forward
_layer_backward = Layer.backward
_session_feed = Session.feed
_inspection_run = Inspection.run
_tape_push = Tape.push


def _forward(self, tokens, mask=None):
    return _model_forward(self, _for_model(self, tokens, 'tokens'), _for_model(self, mask, 'mask'))


def _encode(self, tokens, mask=None):
    return _model_encode(self, _for_model(self, tokens, 'tokens'), _for_model(self, mask, 'mask'))


def _compute_loss(self, tokens, mask, labels):
    return _model_compute_loss(self, _for_model(self, tokens, 'tokens'), _for_model(self, mask, 'mask'), _for_model(self, labels, 'labels'))


def _compute_gradients(self, tokens, mask, labels):
    return _model_compute_gradients(self, _for_model(self, tokens, 'tokens'), _for_model(self, mask, 'mask'), _for_model(self, labels, 'labels'))


def _forward_layer(self, input, tape):
    _check_tape(tape)
    return _layer_forward(self, for_tape(tape, input, 'input'), tape)


def _backward_layer(self, gradient, tape):
    _check_tape(tape)
    return _layer_backward(self, for_tape(tape, gradient, 'gradient'), tape)


def _feed(self, tokens, cancellable=None):
    return _session_feed(self, _for_model(self.get_model(), tokens, 'tokens'), cancellable)


def _run(self, tokens, mask=None):
    return _inspection_run(self, _for_model(self.get_model(), tokens, 'tokens'), _for_model(self.get_model(), mask, 'mask'))


def _push(self, tensor):
    return _tape_push(self, for_tape(self, tensor, 'tensor'))


def replace(cls, name, function):
    function.__doc__ = getattr(cls, name).__doc__
    function.__name__, function.__qualname__ = name, '%s.%s' % (cls.__name__, name)
    setattr(cls, name, function)


replace(Model, 'forward', _forward)
replace(Model, 'encode', _encode)
replace(Model, 'compute_loss', _compute_loss)
replace(Model, 'compute_gradients', _compute_gradients)
replace(Layer, 'forward', _forward_layer)
replace(Layer, 'backward', _backward_layer)
replace(Session, 'feed', _feed)
replace(Inspection, 'run', _run)
replace(Tape, 'push', _push)


# ---- Lists ----


def _check_index(cls):
    get = cls.__getitem__

    def __getitem__(self, key):
        try:
            return get(self, key)
        except IndexError:
            raise IndexError('index %d of %s; wanted %d to %d' % (key, cls.__name__, -len(self), len(self) - 1)) from None
        except TypeError:
            raise TypeError('index %r of %s; wanted an integer or a slice' % (key, cls.__name__)) from None

    cls.__getitem__ = __getitem__


_check_index(Reformer.DeviceList)
_check_index(Reformer.Stack)
