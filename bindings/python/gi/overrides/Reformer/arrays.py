# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tensors from arrays and arrays from tensors."""

import contextlib

from gi.repository import GLib

from .calls import RangeError, Reformer

DType = Reformer.DType
Tensor = Reformer.Tensor


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


def read_array(value, what, dtype=None, integers=None):
    """The value as an array of a type that tensors have, and that type: `dtype`, for integers `integers`, or the nearest."""
    import numpy
    try:
        array = numpy.asarray(value)
    except ValueError as e:
        raise ValueError('%s: %s' % (what, e)) from None
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


def make_tensor(value, device, what, integers=None):
    array, dtype = read_array(value, what, integers=integers)
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
    return make_tensor(array, device, 'array')


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


def as_bytes(value):
    return GLib.Bytes.new(bytes(value)) if isinstance(value, (bytes, bytearray, memoryview)) else value


def as_elements(value, what, dtype=DType.INT32):
    """The elements of a list or an array as bytes; bytes as they are."""
    value = as_bytes(value)
    if value is None or isinstance(value, GLib.Bytes):
        return value
    if isinstance(value, (str, dict, set)) or not hasattr(value, '__len__'):
        raise TypeError('%s: %r; wanted a list, an array or bytes' % (what, value))
    return GLib.Bytes.new(read_array(value, what, dtype=dtype)[0].tobytes() if len(value) > 0 else b'')


def as_labels(value, what):
    """Labels as bytes: classes and positions are int32, numbers with a fraction float32."""
    if isinstance(value, (bytes, bytearray, memoryview, GLib.Bytes, str, dict, set)) or not hasattr(value, '__len__'):
        return as_elements(value, what)
    fractions = len(value) > 0 and read_array(value, what)[0].dtype.kind == 'f'
    return as_elements(value, what, DType.FLOAT32 if fractions else DType.INT32)


_tensor_new_from_bytes = Tensor.new_from_bytes
_tensor_upload = Tensor.upload


def _new_from_bytes(device, dtype, shape, bytes):
    return _tensor_new_from_bytes(device, dtype, shape, as_bytes(bytes))


def _upload(self, bytes):
    """Overwrites all elements with bytes, or with an array of the same shape, whose numbers must fit the type."""
    bytes = as_bytes(bytes)
    if bytes is None or isinstance(bytes, GLib.Bytes):
        return _tensor_upload(self, bytes)
    array, _ = read_array(bytes, 'array', dtype=self.get_dtype())
    if list(array.shape) != self.get_shape():
        raise ValueError('array: shape %s; wanted that of %s' % (list(array.shape), self.to_string()))
    return _copy_array(self, array)


_new_from_bytes.__doc__ = _tensor_new_from_bytes.__doc__
Tensor.new_from_bytes = staticmethod(_new_from_bytes)
_upload.__name__ = 'upload'
Tensor.upload = _upload
