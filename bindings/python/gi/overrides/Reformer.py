# SPDX-License-Identifier: LGPL-2.1-or-later
"""What introspection cannot say about Reformer in Python: NumPy arrays, lists, attributes, exceptions in functions that C calls.

NumPy is imported when it is first needed.
"""

import contextlib
import functools
import operator
import os

from gi.repository import Gio, GLib, GObject

from ..module import get_introspection_module

Reformer = get_introspection_module('Reformer')

__all__ = []

DType = Reformer.DType
Layer = Reformer.Layer
Model = Reformer.Model
Tensor = Reformer.Tensor


class RangeError(ValueError, OverflowError):
    """A number does not fit the type that it is to have."""


# ---- Tensors from arrays ----

_FROM_NUMPY = {
    ('f', 4): DType.FLOAT32,
    ('f', 2): DType.FLOAT16,
    ('i', 4): DType.INT32,
    ('u', 2): DType.UINT16,
    ('u', 1): DType.UINT8,
    ('b', 1): DType.UINT8,
}

_TO_NUMPY = {
    DType.FLOAT32: '<f4',
    DType.FLOAT16: '<f2',
    DType.INT32: '<i4',
    DType.UINT16: '<u2',
    DType.UINT8: '|u1',
}


def _check_dtype(dtype, what):
    if dtype not in _TO_NUMPY:
        raise TypeError('%s: NumPy has no %s; to_bytes() gives the bytes, new_from_bytes() takes them' % (what, dtype.value_nick))


def _fail_range(numpy, array, bad, what, wanted):
    index = numpy.unravel_index(int(numpy.argmax(bad)), array.shape)
    raise RangeError('%s: %s at index %s; wanted %s' % (what, array[index], [int(i) for i in index], wanted))


def _narrow(numpy, array, target, what):
    """The array in another type, with a check that every number fits."""
    if target.kind == 'f':
        with numpy.errstate(over='ignore'):
            narrow = array.astype(target)
        bad = numpy.isinf(narrow)
        if bad.any():
            bad &= numpy.isfinite(array)
            if bad.any():
                _fail_range(numpy, array, bad, what, 'at most %s, which %s can hold' % (numpy.finfo(target).max, target))
        return narrow

    if array.dtype.kind == 'f':
        raise TypeError('%s: elements of type %s; wanted integers' % (what, array.dtype))
    limits = numpy.iinfo(target)
    if array.size > 0 and (int(array.min()) < limits.min or int(array.max()) > limits.max):
        bad = array > limits.max
        if array.dtype.kind == 'i':
            bad |= array < limits.min
        _fail_range(numpy, array, bad, what, '%d to %d, which %s can hold' % (limits.min, limits.max, target))
    return array.astype(target)


def _read_array(value, what, dtype=None, integers=None):
    """The value as an array of a type that tensors have, and that type: `dtype`, for integers `integers`, or the nearest."""
    import numpy
    array = numpy.asarray(value)
    kind = array.dtype.kind
    if kind not in 'fiub':
        raise TypeError('%s: elements of type %s; wanted floating point, integers or booleans' % (what, array.dtype))
    if dtype is None and kind in 'iu':
        dtype = integers
    if dtype is None:
        dtype = _FROM_NUMPY.get((kind, array.dtype.itemsize), DType.FLOAT32 if kind == 'f' else DType.INT32)
    _check_dtype(dtype, what)
    target = numpy.dtype(_TO_NUMPY[dtype])
    if array.dtype != target:
        array = _narrow(numpy, array, target, what)
    return numpy.asarray(array, order='C'), dtype


def _copy_array(tensor, array):
    return tensor.upload_pointer(array.__array_interface__['data'][0], array.nbytes)


def _make_tensor(value, device, what, integers=None):
    array, dtype = _read_array(value, what, integers=integers)
    tensor = Tensor.new(device, dtype, list(array.shape))
    _copy_array(tensor, array)
    return tensor


def _from_array(array, device=None):
    """Makes a tensor with a copy of an array, or of anything that numpy.asarray() understands.

    float32, float16, int32, uint16 and uint8 stay what they are and booleans become uint8. Other floating point becomes float32 and other
    integers become int32, with a check that every number fits. Without a device the default one is taken.
    """
    if device is None:
        device = Reformer.Device.get_default()
    elif not isinstance(device, Reformer.Device):
        raise TypeError('device: %r; wanted a Reformer.Device or None' % (device,))
    return _make_tensor(array, device, 'array')


Tensor.from_array = staticmethod(_from_array)


# ---- Arrays from tensors ----


class _Elements:
    """What NumPy needs to look at the elements of a tensor. It keeps the tensor, and the array keeps it."""

    def __init__(self, tensor, data):
        self._tensor = tensor
        self.__array_interface__ = {
            'version': 3,
            'shape': tuple(tensor.get_shape()),
            'typestr': _TO_NUMPY[tensor.get_dtype()],
            'data': data,
        }


def _look(tensor):
    """The elements in place where the device works on the memory of the system, else a copy that cannot be written."""
    _check_dtype(tensor.get_dtype(), tensor.to_string())
    try:
        return _Elements(tensor, (tensor.map(), False))
    except GLib.Error as e:
        if not e.matches(Reformer.device_error_quark(), Reformer.DeviceError.LIMIT):
            raise
    return _Elements(tensor, tensor.to_bytes().get_data())


def _array_interface(self):
    """How NumPy and others look at the elements, after the work queued on the device."""
    return _look(self).__array_interface__


# NumPy before 2 forgets an error of __array_interface__ and then asks __array__, whose errors it passes on.
def _array(self, dtype=None, copy=None):
    import numpy
    array = numpy.asarray(_look(self))
    if copy is False and dtype is not None and array.dtype != dtype:
        raise ValueError('%s: %s is wanted, which needs a copy' % (self.to_string(), numpy.dtype(dtype)))
    if copy or (dtype is not None and array.dtype != dtype):
        array = numpy.array(array, dtype=dtype)
    return array


@contextlib.contextmanager
def _view(self):
    """The elements in place, as an array: `with tensor.view() as array:`. Later work sees what is written there.

    On a device with memory of its own this raises GLib.Error; there numpy.asarray() makes a copy.
    """
    import numpy
    _check_dtype(self.get_dtype(), self.to_string())
    elements = _Elements(self, (self.map(), False))
    try:
        yield numpy.asarray(elements)
    finally:
        self.unmap()


Tensor.__array_interface__ = property(_array_interface)
Tensor.__array__ = _array
Tensor.view = _view


# ---- Bytes ----


def _as_bytes(value):
    return GLib.Bytes.new(bytes(value)) if isinstance(value, (bytes, bytearray, memoryview)) else value


_tensor_new_from_bytes = Tensor.new_from_bytes
_tensor_upload = Tensor.upload


def _new_from_bytes(device, dtype, shape, bytes):
    return _tensor_new_from_bytes(device, dtype, shape, _as_bytes(bytes))


def _upload(self, bytes):
    """Overwrites all elements with bytes, or with an array of the same shape, whose numbers must fit the type."""
    bytes = _as_bytes(bytes)
    if bytes is None or isinstance(bytes, GLib.Bytes):
        return _tensor_upload(self, bytes)
    array, _ = _read_array(bytes, 'array', dtype=self.get_dtype())
    if list(array.shape) != self.get_shape():
        raise ValueError('array: shape %s; wanted that of %s' % (list(array.shape), self.to_string()))
    return _copy_array(self, array)


_new_from_bytes.__doc__ = _tensor_new_from_bytes.__doc__
Tensor.new_from_bytes = staticmethod(_new_from_bytes)
Tensor.upload = _upload


# ---- Arrays and lists where models and layers take tensors ----

_model_forward = Model.forward
_model_encode = Model.encode
_model_compute_loss = Model.compute_loss
_model_compute_gradients = Model.compute_gradients
_layer_forward = Layer.forward
_layer_backward = Layer.backward


def _for_model(model, value, what):
    if value is None or isinstance(value, Tensor):
        return value
    model.prepare()
    return _make_tensor(value, model.get_device(), what, integers=DType.INT32)


def _for_tape(tape, value, what):
    if value is None or isinstance(value, Tensor) or not isinstance(tape, Reformer.Tape):
        return value
    return _make_tensor(value, tape.get_device(), what)


def _forward(self, tokens, mask=None):
    return _model_forward(self, _for_model(self, tokens, 'tokens'), _for_model(self, mask, 'mask'))


def _encode(self, tokens, mask=None):
    return _model_encode(self, _for_model(self, tokens, 'tokens'), _for_model(self, mask, 'mask'))


def _compute_loss(self, tokens, mask, labels):
    return _model_compute_loss(self, _for_model(self, tokens, 'tokens'), _for_model(self, mask, 'mask'), _for_model(self, labels, 'labels'))


def _compute_gradients(self, tokens, mask, labels):
    return _model_compute_gradients(self, _for_model(self, tokens, 'tokens'), _for_model(self, mask, 'mask'), _for_model(self, labels, 'labels'))


def _forward_layer(self, input, tape):
    return _layer_forward(self, _for_tape(tape, input, 'input'), tape)


def _backward_layer(self, gradient, tape):
    return _layer_backward(self, _for_tape(tape, gradient, 'gradient'), tape)


def _replace(cls, name, function):
    function.__doc__ = getattr(cls, name).__doc__
    setattr(cls, name, function)


_replace(Model, 'forward', _forward)
_replace(Model, 'encode', _encode)
_replace(Model, 'compute_loss', _compute_loss)
_replace(Model, 'compute_gradients', _compute_gradients)
_replace(Layer, 'forward', _forward_layer)
_replace(Layer, 'backward', _backward_layer)


# ---- Functions written in Python ----


def _describe(exception):
    """The exception in one line, with the place that raised it."""
    place = exception.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    text = '%s: %s' % (type(exception).__name__, ' '.join(str(exception).split()))
    if place is not None:
        text += ' (%s, line %d)' % (os.path.basename(place.tb_frame.f_code.co_filename), place.tb_lineno)
    return text


def _wrap(cls, name, function, finish, error):
    """C cannot see an exception that is no GLib.Error; this makes one of it, with its text. `finish` makes what C wants of the result."""

    @functools.wraps(function)
    def wrapped(self, *arguments):
        what = '%s of %s' % (name[3:], type(self).__name__)
        try:
            return finish(function(self, *arguments), arguments)
        except GLib.Error:
            raise
        except KeyboardInterrupt:
            raise GLib.Error.new_literal(Gio.io_error_quark(), '%s was interrupted' % what, Gio.IOErrorEnum.CANCELLED)
        except BaseException as e:
            raise GLib.Error.new_literal(error[0](), '%s: %s' % (what, _describe(e)), error[1])

    return wrapped


def _wrap_subclasses(base, error, functions):
    """Wraps these functions (name: finish) of every class that is derived from `base` in Python."""
    inherited = base.__init_subclass__

    def init_subclass(cls, **kwargs):
        inherited(**kwargs)
        for name, finish in functions.items():
            function = cls.__dict__.get(name)
            if callable(function):
                setattr(cls, name, _wrap(cls, name, function, finish, error))

    base.__init_subclass__ = classmethod(init_subclass)


def _finish_layer(result, arguments):
    if result is None:
        raise TypeError('it returned None; wanted a tensor')
    return _for_tape(arguments[1], result, 'its result')


_wrap_subclasses(Layer, (Reformer.model_error_quark, Reformer.ModelError.FAILED), {'do_forward': _finish_layer, 'do_backward': _finish_layer})


# ---- Numbers beyond a property's limits, where GObject only warns ----

def _check_number(object, name, value):
    pspec = object.find_property(name.replace('_', '-')) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    low, high = getattr(pspec, 'minimum', None), getattr(pspec, 'maximum', None)
    if low is not None and not low <= value <= high:
        raise RangeError('%s of %s: %s; wanted %s to %s' % (name, type(object).__name__, value, low, high))


def _check_numbers(cls):
    init = cls.__init__

    def __init__(self, *args, **kwargs):
        for name, value in kwargs.items():
            _check_number(self, name, value)
        init(self, *args, **kwargs)

    cls.__init__ = __init__


_layer_set_target = Layer.set_target


def _set_target(self, target):
    _check_number(self, 'target', target)
    _layer_set_target(self, target)


for _class in (Layer, Reformer.Dataset, Reformer.Generator, Reformer.Optimizer, Reformer.Schedule, Reformer.TextDataset, Reformer.Trainer):
    _check_numbers(_class)
_replace(Layer, 'set_target', _set_target)


# ---- Lists of integers ----


def _to_variant(name, value):
    if isinstance(value, GLib.Variant):
        if value.get_type_string() != 'ai':
            raise TypeError('%s: %s; wanted a list of integers' % (name, value.print_(True)))
        return value
    numbers = []
    if isinstance(value, (str, bytes)):
        raise TypeError('%s: %r; wanted a list of integers' % (name, value))
    try:
        items = [] if value is None else list(value)
    except TypeError:
        raise TypeError('%s: %r; wanted a list of integers' % (name, value)) from None
    for i, item in enumerate(items):
        try:
            number = operator.index(item)
        except TypeError:
            raise TypeError('%s: %r at index %d; wanted an integer' % (name, item, i)) from None
        if not -2**31 <= number < 2**31:
            raise RangeError('%s: %d at index %d; wanted -2147483648 to 2147483647' % (name, number, i))
        numbers.append(number)
    return GLib.Variant('ai', numbers)


def _from_variant(value):
    return [] if value is None else value.unpack()


class _ListProps:
    """The properties of an object, those that are lists of integers as lists."""

    def __init__(self, object, props, lists):
        self.__dict__.update(_object=object, _props=props, _lists=lists)

    def __getattr__(self, name):
        value = getattr(self._props, name)
        return _from_variant(value) if name in self._lists else value

    def __setattr__(self, name, value):
        setattr(self._props, name, _to_variant(name, value) if name in self._lists else value)

    def __dir__(self):
        return dir(self._props)

    def __iter__(self):
        return iter(self._props)

    def __len__(self):
        return len(self._props)


class _ListPropsOf:
    def __init__(self, props, lists):
        self._props = props
        self._lists = lists

    def __get__(self, object, cls=None):
        props = self._props.__get__(object, cls)
        return props if object is None else _ListProps(object, props, self._lists)


def _take_lists(cls, *lists):
    init, get_property, set_property = cls.__init__, cls.get_property, cls.set_property

    def __init__(self, *args, **kwargs):
        init(self, *args, **{name: _to_variant(name, value) if name in lists else value for name, value in kwargs.items()})

    def get(self, name):
        value = get_property(self, name)
        return _from_variant(value) if name.replace('-', '_') in lists else value

    def set(self, name, value):
        set_property(self, name, _to_variant(name, value) if name.replace('-', '_') in lists else value)

    cls.__init__ = __init__
    cls.get_property = get
    cls.set_property = set
    cls.props = _ListPropsOf(next(parent.__dict__['props'] for parent in cls.__mro__ if 'props' in parent.__dict__), lists)


_take_lists(Reformer.Config, 'axial_pos_shape', 'axial_pos_embds_dim', 'num_buckets')
_take_lists(Reformer.AxialPosition, 'shape', 'dims')
_take_lists(Reformer.LshAttention, 'num_buckets')


# ---- Properties as attributes ----


def _attribute(pspec):
    name = pspec.name.replace('-', '_')

    def get(self):
        return getattr(self.props, name)

    def set(self, value):
        if pspec.flags & GObject.ParamFlags.WRITABLE and not pspec.flags & GObject.ParamFlags.CONSTRUCT_ONLY:
            try:
                _check_number(self, name, value)
                setattr(self.props, name, value)
            except TypeError as e:
                raise TypeError(str(e) if name in str(e) else '%s of %s: %r; %s' % (name, type(self).__name__, value, e)) from None
        elif not pspec.flags & GObject.ParamFlags.WRITABLE:
            raise AttributeError('%s of %s cannot be set' % (name, type(self).__name__))
        elif get(self) != value:
            raise AttributeError('%s of %s can be set by its constructor only' % (name, type(self).__name__))

    return name, property(get, set)


def _add_attributes(cls):
    for pspec in GObject.list_properties(cls):
        if pspec.owner_type == cls.__gtype__:
            name, attribute = _attribute(pspec)
            if not hasattr(cls, name):
                setattr(cls, name, attribute)


for _name in dir(Reformer):
    _class = None if _name.startswith('_') else getattr(Reformer, _name)
    if isinstance(_class, type) and issubclass(_class, GObject.Object):
        _add_attributes(_class)


# ---- Tokenizers and data sets: bytes, lists and arrays where C has GLib.Bytes ----

Sample = Reformer.Sample
Tokenizer = Reformer.Tokenizer

_tokenizer_encode = Tokenizer.encode
_tokenizer_decode = Tokenizer.decode
_sample_init = Sample.__init__
_sample_new = Sample.new


def _as_elements(value, what, dtype):
    """The elements of a list or an array as bytes; bytes as they are."""
    value = _as_bytes(value)
    if value is None or isinstance(value, GLib.Bytes):
        return value
    return GLib.Bytes.new(_read_array(value, what, dtype=dtype)[0].tobytes() if len(value) > 0 else b'')


def _as_ids(value, what):
    return _as_elements(value, what, DType.INT32)


def _encode_bytes(self, text):
    return _tokenizer_encode(self, _as_bytes(text))


def _decode_ids(self, ids):
    return _tokenizer_decode(self, _as_ids(ids, 'ids'))


def _make_sample(tokens, mask=None, labels=None):
    return _sample_new(_as_ids(tokens, 'tokens'), _as_elements(mask, 'mask', DType.UINT8), _as_ids(labels, 'labels'))


def _init_sample(self, tokens=None, mask=None, labels=None):
    _sample_init(self, tokens=_as_ids(tokens, 'tokens'), mask=_as_elements(mask, 'mask', DType.UINT8), labels=_as_ids(labels, 'labels'))


def _must_return(result, wanted):
    if result is None:
        raise TypeError('it returned None; wanted %s' % wanted)
    return result


def _finish_encode(result, arguments):
    return _as_ids(_must_return(result, 'ids'), 'its result')


def _finish_decode(result, arguments):
    return _as_bytes(result.encode() if isinstance(result, str) else _must_return(result, 'bytes'))


def _finish_count(result, arguments):
    return operator.index(_must_return(result, 'a number'))


def _finish_as_it_is(result, arguments):
    return result


def _finish_sample(result, arguments):
    return result if isinstance(result, Sample) else _make_sample(_must_return(result, 'a sample'))


_replace(Tokenizer, 'encode', _encode_bytes)
_replace(Tokenizer, 'decode', _decode_ids)
_make_sample.__doc__ = _sample_new.__doc__
Sample.new = staticmethod(_make_sample)
Sample.__init__ = _init_sample

_of_files = (Reformer.file_error_quark, Reformer.FileError.FAILED)
_wrap_subclasses(Tokenizer, _of_files, {'do_encode': _finish_encode, 'do_decode': _finish_decode, 'do_count_ids': _finish_count, 'do_identify': _finish_as_it_is})
_wrap_subclasses(Reformer.Dataset, _of_files, {
    'do_count_samples': _finish_count,
    'do_read_sample': _finish_sample,
    'do_get_held_out': _finish_as_it_is,
    'do_identify': _finish_as_it_is,
})


# ---- Optimizers and schedules: what they raise ----


def _finish_update(result, arguments):
    return True if result is None else bool(result)


_wrap_subclasses(Reformer.Optimizer, (Reformer.trainer_error_quark, Reformer.TrainerError.INVALID), {'do_update': _finish_update})
_wrap_subclasses(Reformer.Schedule, (Reformer.trainer_error_quark, Reformer.TrainerError.INVALID), {
    'do_compute_factor': lambda result, arguments: float(_must_return(result, 'a number')),
})


# ---- How objects print ----


def _repr_tensor(self):
    return '<Reformer.%s on %s>' % (self.to_string(), self.get_device().get_name())


def _repr_parameter(self):
    return '<Reformer.Parameter %s %s>' % (self.get_name(), self.get_shape())


def _repr_device(self):
    return '<Reformer.Device %s: %s>' % (self.get_kind().value_nick.upper(), self.get_name())


def _repr_config(self):
    standard = Reformer.Config()
    settings = []
    for pspec in GObject.list_properties(Reformer.Config):
        name = pspec.name.replace('-', '_')
        if pspec.flags & GObject.ParamFlags.WRITABLE and getattr(self.props, name) != getattr(standard.props, name):
            value = getattr(self.props, name)
            settings.append('%s=%s' % (name, 'Reformer.Head.%s' % value.value_nick.upper().replace('-', '_') if name == 'head' else repr(value)))
    return 'Reformer.Config(%s)' % ', '.join(settings)


def _repr_model(self):
    config = self.get_config()
    device = self.get_device()
    return '<Reformer.Model %s: %d layers, hidden size %d, on %s>' % (
        self.get_head().value_nick, config.get_n_layers(), config.get_hidden_size(), device.get_name() if device is not None else 'the default device')


Tensor.__repr__ = _repr_tensor
Model.__repr__ = _repr_model
Reformer.Config.__repr__ = _repr_config
Reformer.Device.__repr__ = _repr_device
Reformer.Parameter.__repr__ = _repr_parameter


# ---- Texts that are made ----

Generator = Reformer.Generator
Piece = Reformer.Piece
Session = Reformer.Session

_generator_set_prompt_bytes = Generator.set_prompt_bytes
_session_feed = Session.feed


def _pieces(self):
    """The pieces of the text from where it is; a text that has ended begins anew."""
    if self.get_end() != Reformer.GenerationEnd.NONE:
        self.restart()
    while True:
        piece = self.next_piece(None)
        if piece is None:
            return
        yield piece


def _feed(self, tokens, cancellable=None):
    return _session_feed(self, _for_model(self.get_model(), tokens, 'tokens'), cancellable)


def _set_prompt_bytes(self, prompt):
    _generator_set_prompt_bytes(self, _as_bytes(prompt))


Generator.__iter__ = _pieces
Piece.__str__ = Piece.get_text
Piece.__bytes__ = lambda self: self.get_bytes().get_data() or b''
_replace(Generator, 'set_prompt_bytes', _set_prompt_bytes)
_replace(Session, 'feed', _feed)
