# SPDX-License-Identifier: LGPL-2.1-or-later
"""Typical mistakes: each raises an exception that names the thing, the value and what was wanted, and nothing is lost by it.

G_DEBUG=fatal-criticals ends the process where a mistake is only a critical message.
"""

import json
import os
import shutil
import tempfile

import gi
import numpy

gi.require_version('Reformer', '1.0')
from gi.repository import Gio, GLib, Reformer  # noqa: E402

import golden  # noqa: E402
import tap  # noqa: E402
from tap import raises  # noqa: E402

Error, DType, Head, Tensor = GLib.Error, Reformer.DType, Reformer.Head, Reformer.Tensor
device = Reformer.Device.get_default()
answers = golden.read('mixed')
ids, labels = answers['ids'], answers['labels']


def load(folder):
    return Reformer.Model.load(device, Gio.File.new_for_path(folder), None)


model = load(golden.folder('mixed'))


def copy_of_mixed():
    folder = tempfile.TemporaryDirectory()
    for name in ['config.json', 'model.safetensors']:
        shutil.copy(os.path.join(golden.folder('mixed'), name), folder.name)
        os.chmod(os.path.join(folder.name, name), 0o600)
    return folder


def config(**settings):
    """A small configuration that is right but for the settings."""
    right = dict(vocab_size=40, hidden_size=32, num_attention_heads=2, attention_head_size=16, feed_forward_size=64, is_decoder=True,
                 axial_pos_shape=[8, 8], axial_pos_embds_dim=[8, 24], num_buckets=[4])
    right.update(settings)
    return Reformer.Config(**right)


def invalid(words, **settings):
    """Both validate() and the first use say what does not fit."""
    wrong = config(**settings)
    raises(Error, words, wrong.validate)
    made = Reformer.Model(device=device, config=wrong)
    raises(Error, words, made.forward, ids)
    assert made.stack is None and len(made.get_parameters()) == 0


# ---- Input ----


def test_dtype():
    raises(Error, ['tokens', 'float32', 'int32'], model.forward, ids.astype('f4'))
    raises(Error, ['mask', 'float32', 'int32 or uint8'], model.forward, ids, numpy.ones(ids.shape, 'f4'))
    raises(Error, ['labels', 'float32', 'int32'], model.compute_loss, ids, None, labels.astype('f4'))


def test_shape():
    raises(Error, ['tokens', '[64]', '[B, T]'], model.forward, ids[0])
    raises(Error, ['mask', '[1, 63]', '[1, 64]'], model.forward, ids, numpy.ones((1, 63), 'i4'))
    raises(Error, ['labels', '[2, 64]', '[1, 64]'], model.compute_gradients, ids, None, numpy.concatenate([labels, labels]))


def test_id():
    raises(Error, ['tokens', '40', 'position 3', '0 to 39', 'vocab_size'], model.forward, [[1, 2, 3, 40]])
    raises(Error, ['tokens', '-1', 'position 0', '0 to 39'], model.forward, [[-1, 2]])


def test_labels():
    raises(Error, ['labels', '40', '0 to 39', '-100'], model.compute_loss, [[1, 2, 3]], None, [[1, 2, 40]])
    raises(Error, ['labels', 'no target'], model.compute_gradients, [[1, 2, 3]], None, [[-100, -100, -100]])
    raises(Error, ['labels', 'no target'], model.compute_gradients, [[1]], None, [[1]])


def test_too_long():
    raises(Error, ['65', '64', 'axial_pos_shape'], model.forward, numpy.zeros((1, 65), 'i4'))


def test_none():
    raises(TypeError, ['Model.forward(', 'tokens is None', 'tokens:Reformer.Tensor or array'], model.forward, None)
    raises(TypeError, ['labels is None'], model.compute_loss, ids, None, None)
    raises(TypeError, ['file is None', 'file:Gio.File'], Reformer.Model.load, device, None, None)
    raises(TypeError, ['bytes is None'], Tensor.new_from_bytes, device, DType.INT32, [1], None)
    raises(TypeError, ['pattern is None'], model.freeze, None)
    raises(TypeError, ['branch is None'], model.stack.insert, 0, 'x', None)
    raises(TypeError, ['input is None'], model.stack[0].forward, None, Reformer.Tape(device=device))


def test_wrong_objects():
    raises(TypeError, ['Model.load(', "'/a/path'", 'argument file', 'Gio.File', 'str'], Reformer.Model.load, device, '/a/path', None)
    raises(TypeError, ['config of Model', "{'vocab_size': 7}", 'Reformer.Config'], Reformer.Model, device=device, config={'vocab_size': 7})
    raises(TypeError, ['device of Model', "'cpu'", 'Reformer.Device'], Reformer.Model, device='cpu')
    raises(TypeError, ['Tensor.new(', "'float32'", 'DType'], Tensor.new, device, 'float32', [1])
    raises(TypeError, ['Tensor.new(', 'sequence', 'int', 'shape:list'], Tensor.new, device, DType.FLOAT32, 3)
    raises(TypeError, ['Tensor.new(', 'shape has 2.7 at index 1', 'integer'], Tensor.new, device, DType.FLOAT32, [1, 2.7])
    raises(TypeError, ['elements of type object'], model.forward, model)


# ---- Folders ----


def test_missing_folder():
    error = raises(Error, ['/nowhere/model'], load, '/nowhere/model')
    assert error.domain in ('reformer-file-error-quark', 'g-io-error-quark'), error.domain


def test_empty_folder():
    with tempfile.TemporaryDirectory() as folder:
        raises(Error, ['config.json'], load, folder)
        with open(os.path.join(folder, 'config.json'), 'w'):
            pass
        raises(Error, ['config.json'], load, folder)


def test_truncated():
    with copy_of_mixed() as folder:
        path = os.path.join(folder, 'model.safetensors')
        size = os.path.getsize(path)
        for length in [size - 1, size // 2, 100, 7, 0]:
            os.truncate(path, length)
            raises(Error, ['model.safetensors'], load, folder)


def test_header():
    with copy_of_mixed() as folder:
        path = os.path.join(folder, 'model.safetensors')
        with open(path, 'r+b') as file:
            file.write(b'\xff' * 8)
        raises(Error, ['model.safetensors'], load, folder)


def test_config_text():
    with copy_of_mixed() as folder:
        path = os.path.join(folder, 'config.json')
        with open(path) as file:
            right = json.load(file)
        for change, words in [({'hidden_size': '32'}, ['hidden_size', '"32"', 'integer']), ({'attn_layers': ['lsh', 'none']}, ['attn_layers', 'none']),
                              ({'axial_pos_shape': [8, -8]}, ['axial_pos_shape', '-8']), ({'feed_forward_size': 48}, ['48', '64'])]:
            with open(path, 'w') as file:
                json.dump(dict(right, **change), file)
            raises(Error, words, load, folder)
    raises(Error, ['line 1, column 1', 'end of file'], Reformer.Config.new_from_json, '{')
    raises(Error, ['vocab_size'], Reformer.Config.new_from_json, '{"model_type": "reformer", "vocab_size": 1.5}')


def test_save():
    raises(Error, ['/nowhere'], model.save, Gio.File.new_for_path('/nowhere/model'), None)
    raises(Error, ['/nowhere'], model.get_config().save, Gio.File.new_for_path('/nowhere/config.json'), None)


def test_cancelled():
    cancellable = Gio.Cancellable()
    cancellable.cancel()
    error = raises(Error, ['cancelled'], Reformer.Model.load, device, Gio.File.new_for_path(golden.folder('mixed')), cancellable)
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED)


# ---- Configurations ----


def test_buckets():
    invalid(['num_buckets', '7', 'even'], num_buckets=[7], attn_layers=['lsh'])
    invalid(['num_buckets', '3'], num_buckets=[4, 3], attn_layers=['lsh'])


def test_activation():
    invalid(['hidden_act', 'prelu'], hidden_act='prelu')
    invalid(['hidden_act', 'magic'], hidden_act='magic')


def test_sizes():
    invalid(['vocab_size', '-5'], vocab_size=-5)
    invalid(['axial_pos_embds_dim', '31', '32'], axial_pos_embds_dim=[8, 23])
    invalid(['axial_pos'], axial_pos_shape=[8])
    invalid(['lsh_attn_chunk_length', '0'], lsh_attn_chunk_length=0, attn_layers=['lsh'])
    invalid(['num_attention_heads', '0'], num_attention_heads=0)
    invalid(['attn_layers', 'global'], attn_layers=['local', 'global'])
    invalid(['hidden_dropout_prob', '1.5'], hidden_dropout_prob=1.5)


def test_decoder():
    invalid(['is_decoder'], is_decoder=False)


def test_heads():
    raises(Error, ['is_decoder is true', 'false is wanted'], Reformer.Model(device=device, config=config(head=Head.MASKED_LANGUAGE, is_decoder=True)).forward, ids)
    made = Reformer.Model(device=device, config=config(head=Head.CLASSIFICATION, is_decoder=False))
    raises(Error, ['labels: 5 at row 0', 'wanted 0 to 1'], made.compute_loss, ids, None, numpy.full(len(ids), 5))
    raises(Error, ['labels: ', 'float32', 'wanted int32'], made.compute_gradients, ids, None, numpy.zeros(len(ids)))
    bare = Reformer.Model(device=device, config=config(head=Head.NONE))
    raises(Error, ['head', 'loss'], bare.compute_loss, ids, None, labels)


def test_properties():
    raises(TypeError, ['vocabulary'], Reformer.Config, vocabulary=7)
    raises(TypeError, ['vocab_size'], Reformer.Config, vocab_size='x')
    raises(TypeError, ['vocab_size', "'x'"], setattr, config(), 'vocab_size', 'x')
    raises(TypeError, ['attn_layers'], Reformer.Config, attn_layers=5)


def test_integer_lists():
    raises(TypeError, ['num_buckets', '3', 'list'], Reformer.Config, num_buckets=3)
    raises(TypeError, ['axial_pos_shape', "'a'", 'index 1'], Reformer.Config, axial_pos_shape=[1, 'a'])
    raises(TypeError, ['axial_pos_shape', '1.5'], Reformer.Config, axial_pos_shape=[1.5])
    raises(ValueError, ['num_buckets', '1099511627776'], Reformer.Config, num_buckets=[2**40])
    raises(TypeError, ['shape', "'8, 8'"], Reformer.AxialPosition, device=device, shape='8, 8')
    raises(TypeError, ['num_buckets', "'x'"], setattr, Reformer.Config().props, 'num_buckets', GLib.Variant('s', 'x'))


# ---- Devices and tensors ----


def test_no_device():
    raises(Error, ['voodoo'], Reformer.Device.find, 'voodoo')
    raises(Error, ['device'], Tensor.from_array, [1], Reformer.Device())


def test_tensor():
    raises(Error, ['[2, -1]', '-1'], Tensor.new, device, DType.FLOAT32, [2, -1])
    raises(Error, ['[0]'], Tensor.from_array, [])
    raises(Error, ['9', '8'], Tensor.new, device, DType.UINT8, [1] * 9)
    raises(Error, ['12 bytes', '5 bytes'], Tensor.new_from_bytes, device, DType.INT32, [3], b'12345')
    raises(Error, ['6', '4'], Tensor.new(device, DType.INT32, [2, 3]).reshape, [4])
    raises(Error, ['[4611686018427387904, 4]'], Tensor.new, device, DType.INT32, [2**62, 4])
    raises(Error, ['without elements'], Tensor().to_bytes)
    raises(Error, ['without elements'], Tensor().map)
    raises(Error, ['tokens', '[]'], model.forward, Tensor())


def test_memory():
    error = raises(Error, ['bytes'], Tensor.new, device, DType.FLOAT32, [2**44])
    assert error.matches(Reformer.device_error_quark(), Reformer.DeviceError.OUT_OF_MEMORY)
    device.memory_limit = device.memory_used + 1000000
    try:
        raises(Error, ['limit', '4001792'], Tensor.new, device, DType.FLOAT32, [1000, 1000])
    finally:
        device.memory_limit = 0
    assert Tensor.new(device, DType.FLOAT32, [1000, 1000]) is not None


# ---- Layers ----


def test_layer_input():
    linear = Reformer.Linear(device=device, in_features=3, out_features=2)
    tape = Reformer.Tape(device=device)
    raises(Error, ['ReformerLinear', '[1, 4]', '3'], linear.forward, [[1.0] * 4], tape)
    raises(Error, ['ReformerLinear', 'tape'], linear.backward, [[1.0] * 2], tape)
    raises(Error, ['device'], linear.forward, Tensor.from_array([[1.0] * 3]), Reformer.Tape())
    raises(ValueError, ['in_features', '0', '1 to'], Reformer.Linear, device=device, in_features=0)
    raises(ValueError, ['target', '2', '0 to 1'], linear.set_target, 2)
    raises(TypeError, ['tape: None', 'Reformer.Tape'], linear.forward, [[1.0] * 3], None)
    raises(TypeError, ["tape: 'x'", 'Reformer.Tape'], linear.backward, [[1.0] * 2], 'x')
    raises(TypeError, ['mask of Tape', '[[1]]', 'device'], Reformer.Tape, mask=[[1]])
    raises(TypeError, ['abstract', 'ReformerLayer'], Reformer.Layer)


def test_stack():
    branch = Reformer.FeedForward(device=device, hidden_size=32, feed_forward_size=8)
    raises(Error, ['99', '0 to 8'], model.stack.insert, 99, 'mine', branch)
    raises(Error, ['name'], model.stack.insert, 0, '', branch)
    raises(Error, ['8'], model.stack.remove, 8)
    assert len(model.stack) == 8


class RaisingOptimizer(Reformer.Optimizer):
    def do_update(self, parameter, step, learning_rate, scale):
        raise ValueError('no such way')


class RaisingSchedule(Reformer.Schedule):
    def do_compute_factor(self, step, total_steps):
        raise ValueError('no such step')


class SilentOptimizer(Reformer.Optimizer):
    calls = 0

    def do_update(self, parameter, step, learning_rate, scale):
        self.calls += 1


class CountingDataset(Reformer.Dataset):
    def do_count_samples(self, length):
        return 1

    def do_read_sample(self, index, length):
        return list(range(length))


def test_numbers_beyond_limits():
    for kind, name, value, limits in [(Reformer.Trainer, 'batch_size', 0, '1 to 65536'), (Reformer.Trainer, 'history_interval', 0, '1 to 4294967295'),
                                      (Reformer.AdamW, 'learning_rate', -1, '0.0 to'), (SilentOptimizer, 'learning_rate', -1.5, '0.0 to'),
                                      (Reformer.Schedule, 'final_factor', 3, '0.0 to 1.0'), (Reformer.TextDataset, 'held_out_fraction', 2, '0.0 to 0.9'),
                                      (Reformer.Generator, 'temperature', -1, '0.0 to'), (Reformer.Linear, 'in_features', 0, '1 to')]:
        raises(ValueError, ['%s of %s: %s; wanted %s' % (name, kind.__name__, value, limits)], kind, **{name: value})


def test_optimizer_and_schedule():
    def train(**settings):
        trainer = Reformer.Trainer(model=model, dataset=CountingDataset(), sequence_length=8, **settings)
        trainer.train(1, None)
        return trainer

    error = raises(Error, ['update of RaisingOptimizer', 'ValueError: no such way', 'test-mistakes.py'], train, optimizer=RaisingOptimizer())
    assert error.matches(Reformer.trainer_error_quark(), Reformer.TrainerError.INVALID)
    error = raises(Error, ['compute_factor of RaisingSchedule', 'ValueError: no such step', 'test-mistakes.py'], train, schedule=RaisingSchedule())
    assert error.matches(Reformer.trainer_error_quark(), Reformer.TrainerError.INVALID)
    trainer = train(optimizer=SilentOptimizer())
    assert trainer.n_steps == 1 and trainer.optimizer.calls == len(model.get_parameters())


def test_nothing_lost():
    loss = float(answers['loss'][0])
    assert abs(model.compute_gradients(ids, None, labels) - loss) < 1e-5


def test_closed():
    mine = Reformer.Device.find(None)
    made = Reformer.Model.load(mine, Gio.File.new_for_path(golden.folder('mixed')), None)
    output = made.forward(ids)
    mine.close()
    for function in [lambda: made.forward(ids), lambda: made.compute_gradients(ids, None, labels), output.to_bytes, mine.synchronize,
                     lambda: numpy.asarray(output), lambda: made.save(Gio.File.new_for_path('/tmp/never'), None)]:
        error = raises(Error, ['closed'], function)
        assert error.matches(Reformer.device_error_quark(), Reformer.DeviceError.LOST)


tap.run('python/mistakes', tap.collect(globals()))
