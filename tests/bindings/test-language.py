# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a Python programmer expects of objects: lists, iteration, await, text; and no warning of PyGObject's."""

import asyncio
import os
import warnings

import gi
import numpy

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, GLib, Reformer  # noqa: E402

import tap  # noqa: E402
from simple import load, trainer  # noqa: E402
from tap import raises  # noqa: E402

warnings.simplefilter('error', Warning)
device = Reformer.Device.get_default()


# ---- Properties ----


def test_objects_as_properties():
    """PyGObject warns where nothing but the call holds the object."""
    one = trainer()
    one.props.optimizer = Reformer.AdamW(learning_rate=0.25)
    assert one.optimizer.learning_rate == 0.25
    one.optimizer = Reformer.Sgd(learning_rate=0.5)
    assert one.get_property('optimizer').learning_rate == 0.5
    one.set_property('schedule', Reformer.Schedule(warmup_steps=3))
    one.set_schedule(Reformer.Schedule(warmup_steps=4))
    assert one.schedule.warmup_steps == 4
    one.schedule = None
    assert one.props.schedule is None


def test_every_way():
    """A value that does not fit is refused whichever way it is set."""
    one = trainer()
    words = ['batch_size of Trainer: 0; wanted 1 to 65536']
    raises(ValueError, words, setattr, one, 'batch_size', 0)
    raises(ValueError, words, setattr, one.props, 'batch_size', 0)
    raises(ValueError, words, one.set_property, 'batch-size', 0)
    raises(ValueError, words, one.set_batch_size, 0)
    raises(ValueError, words, trainer, batch_size=0)
    assert one.batch_size == 1
    one.batch_size = numpy.int64(3)
    one.optimizer = Reformer.AdamW(learning_rate=numpy.float32(0.5), beta1=0)
    assert one.get_batch_size() == 3 and one.optimizer.beta1 == 0
    assert Reformer.Config(is_decoder=numpy.bool_(True), head='none', attn_layers=('lsh', 'local')).attn_layers == ['lsh', 'local']


def test_settings_of_layers():
    layer = Reformer.LshAttention(device=device, hidden_size=8, num_attention_heads=2, attention_head_size=4)
    layer.num_hashes = 2
    layer.chunk_length = 4
    layer.set_num_buckets([4, 2])
    assert layer.num_hashes == 2 and layer.props.num_buckets == [4, 2]
    assert layer.forward(numpy.zeros((1, 8, 8)), Reformer.Tape(device=device)).get_shape() == [1, 8, 8]
    raises(AttributeError, ['num_hashes of LshAttention', 'before'], setattr, layer, 'num_hashes', 3)
    raises(AttributeError, ['num_buckets of LshAttention', 'before'], setattr, layer.props, 'num_buckets', [4])
    layer.num_hashes = 2  # as it is
    raises(AttributeError, ['hidden_size of LshAttention', 'constructor'], setattr, layer, 'hidden_size', 3)


# ---- Lists ----


def test_lists():
    model = load('mixed')
    assert len(model.stack) == 8 and [type(branch).__name__ for branch in model.stack[:2]] == ['LocalAttention', 'FeedForward']
    assert model.stack[-1] is model.stack[7] and model.stack[0] in model.stack
    raises(IndexError, ['index 8 of Stack', '-8 to 7'], lambda: model.stack[8])
    raises(IndexError, ['index 99 of DeviceList'], lambda: Reformer.DeviceList()[99])
    raises(TypeError, ["'first'", 'Stack', 'integer'], lambda: model.stack['first'])
    names = [parameter.name for parameter in model.get_parameters()]
    assert len(names) == len(set(names)) == len(model.get_parameters()) == 53
    one = trainer(evaluation_interval=1)
    one.train(3, None)
    assert [record.step for record in one.history] == [1, 2, 3] and one.history[-1].loss > 0
    assert [evaluation.step for evaluation in one.evaluations] == [1, 2, 3]
    assert all(0 <= evaluation.accuracy <= 1 and numpy.isnan(evaluation.macro_f1) and numpy.isnan(evaluation.props.exact_match) for evaluation in one.evaluations)
    assert [device.name for device in Reformer.DeviceList()]


def test_arrays_everywhere():
    """Where C takes a tensor, an array does."""
    model = load()
    ids = [[1, 2, 3, 4]]
    assert model.forward(ids).get_shape() == model.forward(numpy.array(ids), [[1, 1, 1, 0]]).get_shape() == [1, 4, 40]
    assert model.encode(ids, None).get_shape() == [1, 4, 64]
    assert (numpy.asarray(model.forward([[1, 2, 3, 4], [5, 6, 0, 0]], [4, 2]))[1, :2] == numpy.asarray(model.forward([[5, 6]]))[0]).all()
    assert model.compute_loss(ids, None, ids) == model.compute_gradients(ids, None, ids)
    assert Reformer.Session(model=model).feed(ids).get_shape() == [1, 40]
    tape = Reformer.Tape(device=device, mask=[[1, 0]])
    assert numpy.asarray(tape.mask).tolist() == [[1, 0]]
    tape.mask = numpy.array([[True, True, False]])
    assert tape.mask.dtype == Reformer.DType.UINT8
    tape.set_mask([[1, 2, 3]])
    assert tape.mask.dtype == Reformer.DType.INT32
    tape.push([1.5, 2])
    assert numpy.asarray(tape.pop()).tolist() == [1.5, 2]
    parameter = model.get_parameters()[0]
    parameter.value.upload(numpy.asarray(parameter.value) * 2)
    sample = Reformer.Sample(tokens=numpy.array([1, 2]), mask=numpy.array([True, False]), labels=[3, -100])
    assert sample.mask.get_data() == b'\1\0' and numpy.frombuffer(sample.labels.get_data(), 'i4').tolist() == [3, -100]


def test_inspection():
    model = load('mixed')
    inspection = Reformer.Inspection(model=model)
    inspection.run([[i * 7 % 40 for i in range(64)]])
    kinds = model.get_config().attn_layers
    assert [inspection.get_kind(i) for i in range(inspection.get_n_layers())] == kinds
    layer = kinds.index('lsh')
    heads = inspection.measure(layer, 0).unpack()
    assert numpy.asarray(inspection.get_buckets(layer)).shape == (1, len(heads), heads[0]['rounds'], 64)
    assert all(0 < head['coverage'] <= 1 + 1e-12 and head['queries'] == 64 for head in heads)
    keys = inspection.list_keys(layer, 0, 0, 40, 3).unpack()
    assert [len(key) for key in keys] == [3] * len(keys) and keys == sorted(keys, key=lambda key: -key[2])
    raises(TypeError, ['Inspection.measure', '1.5'], inspection.measure, 1.5, 0)
    branch = model.stack[2 * layer]
    before = model.compute_loss([[1, 2, 3, 4] * 16], None, [[1, 2, 3, 4] * 16])
    branch.ablated = True
    assert model.compute_loss([[1, 2, 3, 4] * 16], None, [[1, 2, 3, 4] * 16]) != before and branch.ablated


# ---- await ----


def test_await_training():
    """Blocking calls in the event loop's threads: PyGObject drops its lock in them."""
    one = trainer()
    steps, ticks = [], []
    one.connect('step', lambda trainer, record: steps.append(record.step))

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.001)

    async def main():
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(tick())
        await loop.run_in_executor(None, one.train, 5, None)
        evaluation = await loop.run_in_executor(None, one.evaluate, None, None)
        task.cancel()
        return evaluation

    evaluation = asyncio.run(main())
    assert steps == [1, 2, 3, 4, 5] and one.n_steps == 5 and evaluation.loss > 0
    assert len(ticks) > 1


def test_await_cancelled():
    one = trainer()
    cancellable = Gio.Cancellable()

    async def main():
        work = asyncio.get_running_loop().run_in_executor(None, one.train, 100000, cancellable)
        await asyncio.sleep(0.1)
        cancellable.cancel()
        await work

    error = raises(GLib.Error, ['cancelled'], asyncio.run, main())
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED) and 0 < one.n_steps < 100000


def test_async_for():
    one = Reformer.Generator(model=load(), prompt='\x01\x05', max_tokens=12, seed=3)

    async def main():
        return [str(piece) async for piece in one]

    pieces = asyncio.run(main())
    assert len(pieces) == 12 and ''.join(pieces) == one.generate(None)

    async def some():
        one.restart()
        async for piece in one:
            if one.get_n_tokens() == 5:
                break
        return one.get_n_tokens()

    assert asyncio.run(some()) == 5
    assert len(list(one)) == 7 and list(map(str, one)) == pieces  # goes on, then begins anew


# ---- Text ----


class Doubled(Reformer.Layer):
    def do_forward(self, input, tape):
        return numpy.asarray(input) * 2


def test_texts():
    model = load('mixed')
    one = trainer(evaluation_interval=2)
    one.train(2, None)
    generator = Reformer.Generator(model=load(), prompt='\x01', max_tokens=1, temperature=0)
    plan = model.estimate_memory(1, 64, True)
    name = device.name
    for thing, wanted in [
            (Reformer.Tensor.from_array([[1.5]]), '<Reformer.Tensor float32 [1, 1] on %s>' % name),
            (Reformer.Config(head='spans'), 'Reformer.Config(head=Reformer.Head.SPANS)'),
            (model, '<Reformer.Model language: 4 layers, hidden size 32, on %s>' % name),
            (Reformer.Linear(device=device, in_features=3, out_features=2, bias=False), '<Reformer.Linear in_features=3, out_features=2, bias=False>'),
            (Reformer.LayerNorm(device=device, size=7), '<Reformer.LayerNorm size=7>'),
            (Reformer.LshAttention(device=device, hidden_size=8), '<Reformer.LshAttention hidden_size=8, num_buckets=[64]>'),
            (Doubled(), '<Doubled>'),
            (model.get_parameters()[52], '<Reformer.Parameter lm_head.bias [40]>'),
            (device, '<Reformer.Device %s: %s>' % (device.kind.value_nick.upper(), name)),
            (one.history[1], '<Reformer.TrainingRecord step 2: loss %.4g, learning rate 0.001, 8 tokens>' % one.history[1].loss),
            (one.evaluations[0], '<Reformer.Evaluation at step 2: loss %.4g, %.4g bits, ' % (one.evaluations[0].loss, one.evaluations[0].bits)),
            (next(iter(generator)), '<Reformer.Piece '),
            (plan, '<Reformer.MemoryPlan %d bytes, keep everything, fits>' % plan.total),
            (Reformer.Sample(tokens=[1, 2], mask=[1, 1]), '<Reformer.Sample of 2 ids, with mask>'),
            (model.stack, '<Reformer.Stack of 8 branches, 2 streams: layers.0.attention, layers.0.feed_forward, ')]:
        print('# %r' % thing)
        assert repr(thing) == wanted or not wanted.endswith('>') and repr(thing).startswith(wanted), repr(thing) + ' is not ' + wanted
    model.freeze('*')
    assert repr(model.get_parameters()[52]) == '<Reformer.Parameter lm_head.bias [40], frozen>'
    inspection = Reformer.Inspection(model=model)
    inspection.run([[1, 2]])
    assert repr(inspection) == '<Reformer.Inspection of 4 layers>', repr(inspection)


def test_documented():
    """Functions that are replaced keep their signatures."""
    for function in (Reformer.Trainer.train, Reformer.Model.forward, Reformer.Tensor.upload, Reformer.Device.find):
        assert function.__doc__ and function.__name__ in ('train', 'forward', 'upload', 'find'), function
    assert os.path.basename(os.path.dirname(Reformer.Tensor.from_array.__code__.co_filename)) == 'Reformer'


tap.run('python/language', tap.collect(globals()))
