# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tensors and NumPy arrays; lists; attributes."""

import gc
import sys
import time

import gi

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, GLib, Reformer  # noqa: E402

NUMPY_AT_FIRST = 'numpy' in sys.modules

import numpy  # noqa: E402

import tap  # noqa: E402
from tap import raises  # noqa: E402

DType = Reformer.DType
device = Reformer.Device.get_default()


def in_place():
    """Whether the device works on the memory of the system."""
    try:
        tensor = Reformer.Tensor.new(device, DType.FLOAT32, [1])
        tensor.map()
        tensor.unmap()
        return True
    except GLib.Error as e:
        assert e.matches(Reformer.device_error_quark(), Reformer.DeviceError.LIMIT)
        return False


def test_lazy():
    assert not NUMPY_AT_FIRST, 'importing Reformer imports NumPy'


def test_types():
    for dtype, wanted in [('f4', DType.FLOAT32), ('f2', DType.FLOAT16), ('i4', DType.INT32), ('u2', DType.UINT16), ('u1', DType.UINT8)]:
        array = numpy.arange(6, dtype=dtype).reshape(2, 3)
        tensor = Reformer.Tensor.from_array(array)
        assert tensor.dtype == wanted
        seen = numpy.asarray(tensor)
        assert seen.dtype == array.dtype and (seen == array).all()
        assert (numpy.frombuffer(tensor.to_bytes().get_data(), dtype).reshape(2, 3) == array).all()


def test_narrowed():
    for array, dtype in [(numpy.array([[1.5, -2]]), DType.FLOAT32), (numpy.array([2**31 - 1, -2**31]), DType.INT32),
                         (numpy.array([True, False]), DType.UINT8), (numpy.array([-3], 'i1'), DType.INT32), (numpy.array([7], '>i4'), DType.INT32),
                         (numpy.array([2**31 - 1], 'u8'), DType.INT32), (numpy.array([numpy.inf, numpy.nan]), DType.FLOAT32)]:
        tensor = Reformer.Tensor.from_array(array)
        assert tensor.dtype == dtype, '%s: %s' % (array.dtype, tensor)
        assert numpy.array_equal(numpy.asarray(tensor), array, equal_nan=array.dtype.kind == 'f')


def test_lists():
    assert numpy.asarray(Reformer.Tensor.from_array([[1, 2], [3, 4]])).tolist() == [[1, 2], [3, 4]]
    assert Reformer.Tensor.from_array([1.5]).dtype == DType.FLOAT32
    scalar = Reformer.Tensor.from_array(3)
    assert scalar.get_shape() == [] and numpy.asarray(scalar) == 3


def test_orders():
    array = numpy.arange(24, dtype='f4').reshape(2, 3, 4)
    for view in [array.transpose(2, 0, 1), array[:, ::2], array[::-1], numpy.asfortranarray(array), numpy.broadcast_to(array[0], (5, 3, 4))]:
        assert (numpy.asarray(Reformer.Tensor.from_array(view)) == view).all()


def test_out_of_range():
    raises(ValueError, ['1099511627776', '[0, 1]', '2147483647'], Reformer.Tensor.from_array, [[1, 2**40]])
    raises(ValueError, ['-2147483649', '[2]'], Reformer.Tensor.from_array, numpy.array([0, 1, -2**31 - 1]))
    raises(ValueError, ['4294967295', '[0]'], Reformer.Tensor.from_array, numpy.array([2**32 - 1], 'u4'))
    raises(ValueError, ['1e+300', '[1]', 'float32'], Reformer.Tensor.from_array, [1.0, 1e300])


def test_not_numbers():
    raises(TypeError, ['<U1', 'wanted'], Reformer.Tensor.from_array, ['a'])
    raises(TypeError, ['complex128', 'wanted'], Reformer.Tensor.from_array, [1j])
    raises(TypeError, ['object', 'wanted'], Reformer.Tensor.from_array, [None])
    raises(ValueError, ['array', 'homogeneous'], Reformer.Tensor.from_array, [[1], [1, 2]])
    raises(TypeError, ["'cpu'", 'Reformer.Device'], Reformer.Tensor.from_array, [1], 'cpu')


def test_shared():
    if not in_place():
        raise tap.Skip('the device has memory of its own')
    tensor = Reformer.Tensor.new(device, DType.FLOAT32, [1000])
    assert numpy.shares_memory(numpy.asarray(tensor), numpy.asarray(tensor))
    numpy.asarray(tensor)[:] = 7
    assert numpy.frombuffer(tensor.to_bytes().get_data(), 'f4').sum() == 7000
    with tensor.view() as array:
        array[3] = 0
        assert array.base is not None
    assert numpy.asarray(tensor).sum() == 6993
    reshaped = tensor.reshape([10, 100])
    assert numpy.shares_memory(numpy.asarray(tensor), numpy.asarray(reshaped))


def test_copies():
    tensor = Reformer.Tensor.from_array([1, 2, 3])
    assert numpy.array(tensor, dtype='f8').tolist() == [1, 2, 3]
    copy = numpy.array(tensor)
    copy[0] = 9
    assert not numpy.shares_memory(copy, numpy.asarray(tensor)) and numpy.asarray(tensor)[0] == 1


def best(function, times=10):
    """The least milliseconds that it took, and what it gave last."""
    least = float('inf')
    for _ in range(times):
        begin = time.perf_counter()
        result = function()
        least = min(least, time.perf_counter() - begin)
    return least * 1000, result


def test_fast():
    """100 MB to NumPy: nothing is copied."""
    if not in_place():
        raise tap.Skip('the device has memory of its own')
    tensor = Reformer.Tensor.new(device, DType.FLOAT32, [25_000_000])
    first = numpy.asarray(tensor)
    least, array = best(lambda: numpy.asarray(tensor))
    print('# 100 MB in %.3f ms' % least)
    assert array.nbytes == 100_000_000 and least < 1
    assert numpy.shares_memory(array, first)
    array[24_999_999] = 5
    assert first[24_999_999] == 5


def resident(peak=False):
    with open('/proc/self/status') as status:
        return int(next(line for line in status if line.startswith('VmHWM:' if peak else 'VmRSS:')).split()[1]) / 1024


def test_one_copy():
    """100 MB from NumPy: no second copy stands beside the tensor meanwhile, and it takes as long as a copy by NumPy into new memory."""
    # No tensor had this size before: into memory that lies above the source Intel's runtime copies by way of 64 MiB of its own.
    array = numpy.arange(25_000_016, dtype='f4')
    Reformer.Tensor.from_array(array[:1000])
    gc.collect()
    try:
        with open('/proc/self/clear_refs', 'w') as file:
            file.write('5')  # the peak begins anew
    except OSError as e:
        raise tap.Skip('the peak of the memory cannot be read: %s' % e)
    before = resident()
    tensor = Reformer.Tensor.from_array(array)
    grown = resident(peak=True) - before
    assert tensor.n_bytes == 100_000_064 and numpy.asarray(tensor)[-1] == array[-1]
    tensor = None
    ours, _ = best(lambda: Reformer.Tensor.from_array(array), 5)
    target = Reformer.Tensor.new(device, DType.FLOAT32, [25_000_016])
    again, _ = best(lambda: target.upload(array), 5)
    numpys, _ = best(array.copy, 5)
    print('# 100 MB: the process grew by %.1f MiB; %.1f ms, into a tensor that is there %.1f ms, NumPy\'s own copy %.1f ms' % (grown, ours, again, numpys))
    if in_place():
        assert 95 < grown < 110, grown  # 95.4 MiB
        assert ours < 3 * numpys + 20 and again < 3 * numpys + 20


def test_lifetime():
    if not in_place():
        raise tap.Skip('the device has memory of its own')
    array = numpy.asarray(Reformer.Tensor.from_array(numpy.arange(100000, dtype='f4')))
    gc.collect()
    others = [numpy.asarray(Reformer.Tensor.from_array(numpy.zeros(100000, 'f4'))) for _ in range(4)]
    assert array[99999] == 99999 and others[0].sum() == 0


def test_waits():
    tensor = Reformer.Tensor.from_array(numpy.ones((256, 256), 'f4'))
    layer = Reformer.Linear(device=device, in_features=256, out_features=256, bias=False)
    layer.get_parameters()[0].fill(1)
    tape = Reformer.Tape(device=device)
    for _ in range(3):
        tensor = layer.forward(tensor, tape)
    assert (numpy.asarray(tensor) == 256.0**3).all()


def test_bfloat16():
    tensor = Reformer.Tensor.new(device, DType.BFLOAT16, [2, 2])
    raises(TypeError, ['bfloat16', '[2, 2]'], numpy.asarray, tensor)
    raises(TypeError, ['bfloat16'], lambda: tensor.view().__enter__())
    raises(TypeError, ['bfloat16'], tensor.upload, [[1, 2], [3, 4]])
    assert len(tensor.to_bytes().get_data()) == 8


def test_upload():
    tensor = Reformer.Tensor.new(device, DType.INT32, [3])
    tensor.upload([1, 2, 3])
    assert numpy.asarray(tensor).tolist() == [1, 2, 3]
    tensor.upload(numpy.array([4, 5, 6], 'i4').tobytes())
    assert numpy.asarray(tensor).tolist() == [4, 5, 6]
    tensor.upload(GLib.Bytes.new(bytes(12)))
    assert numpy.asarray(tensor).tolist() == [0, 0, 0]
    raises(ValueError, ['[2]', '[3]'], tensor.upload, [1, 2])
    raises(ValueError, ['4294967296', '[1]'], tensor.upload, [0, 2**32, 0])
    raises(TypeError, ['float64'], tensor.upload, [0.5, 1, 2])
    raises(GLib.Error, ['12 bytes', '5 bytes'], tensor.upload, b'12345')
    again = Reformer.Tensor.new_from_bytes(device, DType.UINT8, [2], b'ab')
    assert numpy.asarray(again).tolist() == [97, 98]


def test_closed():
    mine = Reformer.Device.find(None)
    tensor = Reformer.Tensor.from_array([1.0, 2.0], mine)
    array = numpy.asarray(tensor)
    mine.close()
    assert array.tolist() == [1, 2]
    error = raises(GLib.Error, ['closed'], numpy.asarray, tensor)
    assert error.matches(Reformer.device_error_quark(), Reformer.DeviceError.LOST)
    raises(GLib.Error, ['closed'], tensor.to_bytes)
    raises(GLib.Error, ['closed'], tensor.upload, [1.0, 2.0])
    raises(GLib.Error, ['closed'], lambda: tensor.view().__enter__())
    raises(GLib.Error, ['closed'], Reformer.Tensor.from_array, [1.0], mine)
    del tensor
    gc.collect()
    assert array.tolist() == [1, 2]


def test_lists():
    config = Reformer.Config(axial_pos_shape=[4, 16], axial_pos_embds_dim=(64, 192), num_buckets=None)
    assert config.axial_pos_shape == [4, 16] and config.axial_pos_embds_dim == [64, 192] and config.num_buckets == []
    config.num_buckets = numpy.array([4, 8])
    assert config.num_buckets == config.props.num_buckets == config.get_num_buckets() == [4, 8]
    config.props.num_buckets = [16]
    assert config.get_property('num-buckets') == [16]
    config.set_property('num-buckets', [2, 2])
    assert config.num_buckets == [2, 2]
    config.num_buckets = GLib.Variant('ai', [6])
    assert config.num_buckets == [6]
    config.class_weights = [1, 2.5]
    assert config.class_weights == config.get_class_weights() == [1, 2.5] and Reformer.Config(class_weights=numpy.array([0.5])).class_weights == [0.5]
    raises(TypeError, ['class_weights', "'a'", 'index 1', 'a number'], setattr, config, 'class_weights', [1, 'a'])
    raises(TypeError, ['class_weights', 'a list of numbers'], setattr, config, 'class_weights', GLib.Variant('ai', [1]))
    position = Reformer.AxialPosition(device=device, shape=[2, 3], dims=[4, 5])
    assert position.shape == [2, 3] and position.dims == [4, 5] and position.get_max_length() == 6
    layer = Reformer.LshAttention(device=device, hidden_size=8, num_buckets=[4, 2])
    assert layer.num_buckets == [4, 2]


def test_attributes():
    config = Reformer.Config(vocab_size=99)
    assert config.vocab_size == config.props.vocab_size == 99
    config.attn_layers = ['lsh']
    assert config.get_attn_layers() == ['lsh']
    raises(AttributeError, ['unknown_keys', 'Config'], setattr, config, 'unknown_keys', [])
    linear = Reformer.Linear(device=device, in_features=3, out_features=2)
    raises(AttributeError, ['in_features', 'constructor'], setattr, linear, 'in_features', 4)
    assert linear.in_features == 3 and linear.device is device


def test_prints():
    assert repr(Reformer.Config()) == 'Reformer.Config()'
    config = Reformer.Config(vocab_size=7, attn_layers=['lsh'], axial_pos_shape=[4, 4], is_decoder=True, head=Reformer.Head.NONE)
    again = eval(repr(config), {'Reformer': Reformer})
    assert again.equal(config), repr(config)
    assert repr(Reformer.Tensor.from_array([[1.0]])).startswith('<Reformer.Tensor float32 [1, 1] on ')
    assert device.name in repr(device)
    model = Reformer.Model(device=device, config=config)
    assert 'none' in repr(model) and '1 layers' in repr(model), repr(model)
    for thing, wanted in [(Reformer.Trainer(batch_size=3), 'Trainer step 0, batch_size=3'), (Reformer.Generator(prompt='a', temperature=0.5), "Generator 0 tokens, prompt='a', temperature=0.5"),
                          (Reformer.Session(), 'Session 0 tokens'), (Reformer.AdamW(learning_rate=0.5), 'AdamW learning_rate=0.5'), (Reformer.Sgd(), 'Sgd'),
                          (Reformer.Schedule(decay='linear'), 'Schedule decay=Reformer.Decay.LINEAR'), (Reformer.ByteTokenizer(), 'ByteTokenizer 258 ids'),
                          (Reformer.SentencePieceTokenizer(), 'SentencePieceTokenizer without a model'),
                          (Reformer.TextDataset(file=Gio.File.new_for_path('/a/book')), "TextDataset file='/a/book'"),
                          (Reformer.Tape(device=device, seed=3), 'Tape on %s, 0 tensors, seed=3' % device.name), (Reformer.Tape(), 'Tape on none, 0 tensors'),
                          (Reformer.Inspection(), 'Inspection that has not run'),
                          (Reformer.DeviceList(), 'DeviceList of %d: %s' % (len(Reformer.DeviceList()), ', '.join(each.name for each in Reformer.DeviceList())))]:
        assert repr(thing) == '<Reformer.%s>' % wanted, repr(thing)


tap.run('python/numpy', tap.collect(globals()))
