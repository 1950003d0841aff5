// SPDX-License-Identifier: LGPL-2.1-or-later
// Mistakes that are JavaScript's own: each throws an error that names the thing, the value and what was wanted, and nothing is lost by it.
// G_DEBUG=fatal-criticals ends the process where a mistake is only a critical message, and a warning is a failure here.
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Reformer from 'gi://Reformer?version=1.0';
import {check, run, throws} from './tap.js';

GLib.log_set_always_fatal(GLib.LogLevelFlags.LEVEL_CRITICAL | GLib.LogLevelFlags.LEVEL_WARNING | GLib.LogLevelFlags.LEVEL_ERROR);

const {DType, Tensor} = Reformer;
const device = Reformer.Device.get_default();
const mixed = GLib.build_filenamev([GLib.getenv('G_TEST_SRCDIR'), 'golden', 'mixed']);
const load = name => Reformer.Model.load(device, Gio.File.new_for_path(name), null);
const model = load(mixed);
const ids = Tensor.fromArray(device, new Int32Array(64).map((_, i) => (i * 7) % 40), [1, 64]);
const loss = model.compute_loss(ids, null, ids);

// What the functions written below return instead of what is wanted.
let returned = null;

const Wrong = GObject.registerClass(class Wrong extends Reformer.Layer {
    vfunc_forward(_input, _tape) {
        if (returned instanceof Error || returned instanceof GLib.Error)
            throw returned;
        return returned;
    }

    vfunc_backward(gradient, _tape) {
        return gradient;
    }
});

const Numbers = GObject.registerClass(class Numbers extends Reformer.Dataset {
    vfunc_count_samples(_length) {
        if (returned instanceof Error)
            throw returned;
        return 4;
    }

    vfunc_read_sample(index, length) {
        return returned === null ? null : Reformer.Sample.new_from_ids(Array.from({length: length + returned}, (_, i) => index + i));
    }
});

function trainer(settings = {}) {
    returned = 0;
    return new Reformer.Trainer({model, dataset: new Numbers(), sequenceLength: 8, ...settings});
}

// The result of an asynchronous call, as a callback gets it.
function resultOf(start) {
    const loop = new GLib.MainLoop(null, false);
    let result = null;
    start((_object, given) => {
        result = given;
        loop.quit();
    });
    loop.run();
    return result;
}

run('gjs-mistakes', {
    'wrong-type'() {
        throws(['vocabSize of Config', "'x'", 'integer'], () => new Reformer.Config({vocabSize: 'x'}));
        throws(['hiddenAct of Config', '3', 'string'], () => new Reformer.Config({hiddenAct: 3}));
        throws(['isDecoder of Config', "'no'", 'true or false'], () => new Reformer.Config({isDecoder: 'no'}));
        throws(['model of Trainer', '3', 'ReformerModel'], () => new Reformer.Trainer({model: 3}));
        throws(['folder of Trainer', "'book'", 'GFile'], () => (trainer().folder = 'book'));
        throws(['pattern', 'string', 'number'], () => model.freeze(3));
        throws(['file', 'GFile', 'string'], () => model.save('folder', null));
        throws(['tokens of forward() of Model', 'Array', 'Tensor.fromArray'], () => model.forward([[1, 2]], null));
        throws(['tokens of feed() of Session', 'Int32Array'], () => new Reformer.Session({model}).feed(new Int32Array(3), null));
        throws(['tensor of push() of Tape', 'String'], () => new Reformer.Tape({device}).push('x'));
    },

    'fractions'() {
        const one = trainer();
        throws(['n_steps of train() of Trainer', '1.5', 'integer'], () => one.train(1.5, null));
        throws(['n_steps of train() of Trainer', "'x'", 'integer'], () => one.train('x', null));
        throws(['n_steps of train_async() of Trainer', 'undefined', 'integer'], () => one.train_async(undefined, null));
        throws(['shape of new() of Tensor', '2.7 at index 1', 'integer'], () => Tensor.new(device, DType.INT32, [1, 2.7]));
        throws(['shape of new() of Tensor', '3', 'array of integers'], () => Tensor.new(device, DType.INT32, 3));
        throws(['shape of new_from_bytes() of Tensor', "'x' at index 0"], () => Tensor.new_from_bytes(device, DType.UINT8, ['x'], new Uint8Array(1)));
        throws(['shape of reshape() of Tensor', '0.5 at index 0'], () => ids.reshape([0.5]));
        throws(['ids of new_from_ids() of Sample', '1.5 at index 1'], () => Reformer.Sample.new_from_ids([1, 1.5]));
        throws(['ids of decode_text() of ByteTokenizer', '97.5 at index 0'], () => new Reformer.ByteTokenizer().decode_text([97.5]));
        throws(['num_buckets of set_num_buckets() of Config', '2.5 at index 0'], () => new Reformer.Config().set_num_buckets([2.5]));
        throws(['value of fill() of Parameter', "'x'", 'number'], () => model.get_parameters().get_item(0).fill('x'));
        throws(['gradients of estimate_memory() of Model', "'no'", 'true or false'], () => model.estimate_memory(1, 64, 'no'));
        throws(['in_features of new() of Linear', '1.5'], () => Reformer.Linear.new(device, 1.5, 2, true));
        check(one.n_steps === 0, 'no steps');
    },

    'null'() {
        throws(['tokens', 'null'], () => model.forward(null, null));
        throws(['file', 'null'], () => Reformer.Model.load(device, null, null));
        throws(['pattern', 'null'], () => model.freeze(null));
        throws(['batchSize of Trainer', 'null', 'integer'], () => trainer({batchSize: null}));
        throws(['train', '2 arguments', '0 passed'], () => trainer().train());
    },

    'out-of-range'() {
        const one = trainer();
        const before = one.batchSize;
        for (const attempt of [() => (one.batchSize = 0), () => (one.batch_size = 0), () => one.set_batch_size(0), () => one.set_property('batch-size', 0), () => trainer({batch_size: 0})]) {
            const error = throws(['of Trainer: 0', 'wanted at least 1'], attempt);
            check(error instanceof RangeError, error);
        }
        check(one.batchSize === before, 'the size of a batch');
        throws(['batchSize of Trainer', '1000000', 'at most 65536'], () => (one.batchSize = 1000000));
        throws(['batchSize of Trainer', '1.5', 'integer'], () => (one.batchSize = 1.5));
        throws(['vocabSize of Config', '1099511627776', '2147483647'], () => new Reformer.Config({vocabSize: 2 ** 40}));
        throws(['learningRate of AdamW', '-1', 'at least 0'], () => new Reformer.AdamW({learningRate: -1}));
        throws(['learningRate of AdamW', 'NaN', 'number'], () => new Reformer.AdamW({learningRate: NaN}));
        throws(['beta1 of AdamW', '2', 'at most'], () => new Reformer.AdamW().set_beta1(2));
        throws(['head of Config', '77', 'Head.LANGUAGE'], () => new Reformer.Config({head: 77}));
        throws(['inFeatures of Linear', '0', 'at least 1'], () => new Reformer.Linear({device, inFeatures: 0}));
        throws(['held_out_fraction of TextDataset', '2', 'at most 0.9'], () => new Reformer.TextDataset({held_out_fraction: 2}));
        throws(['n_steps', 'out of range'], () => one.train(-1, null));
        throws(['77', 'dtype'], () => Tensor.new(device, 77, [1]));
    },

    'range-of-arguments'() {
        const count = length => new Reformer.Config().count_operations(length, false, Reformer.Keep.AUTO);
        for (const [words, attempt] of [
            [['length of count_operations() of Config: -1', 'at least 0'], () => count(-1)],
            [['features of new_from_values() of Sample: -1', 'at least 1'], () => Reformer.Sample.new_from_values(new Uint8Array(4), -1, null, null)],
            [['features of new_from_values() of Sample: 0', 'at least 1'], () => Reformer.Sample.new_from_values(new Uint8Array(4), 0, null, null)],
            [['in_features of new() of Linear: 0', 'at least 1'], () => Reformer.Linear.new(device, 0, 2, true)],
            [['num_attention_heads of new() of LshAttention: -3', 'at least 1'], () => Reformer.LshAttention.new(device, 8, -3, 4)],
            [['size of new() of LayerNorm: 2147483648', '2147483647'], () => Reformer.LayerNorm.new(device, 2 ** 31)],
        ])
            check(throws(words, attempt) instanceof RangeError, words[0]);
        check(count(0) === 0 && count(4n) > 0, 'what fits');
    },

    'lists'() {
        throws(['attnLayers of Config', "'local'", 'array of strings'], () => new Reformer.Config({attnLayers: 'local'}));
        throws(['attnLayers of Config', '3', 'index 1', 'string'], () => new Reformer.Config({attnLayers: ['lsh', 3]}));
        throws(['numBuckets of Config', "'a'", 'index 1', 'integer'], () => new Reformer.Config({numBuckets: [4, 'a']}));
        throws(['num_buckets of Config', '1099511627776', 'index 0'], () => (new Reformer.Config().num_buckets = [2 ** 40]));
        throws(['stop of Generator', "'x'", 'array of strings'], () => new Reformer.Generator({model, stop: 'x'}));
    },

    'unknown-name'() {
        throws(['vocabulary', 'ReformerConfig'], () => new Reformer.Config({vocabulary: 3}));
        throws(['batchsize', 'ReformerTrainer'], () => trainer({batchsize: 3}));
    },

    'read-only'() {
        throws(['loss', 'not writable'], () => (trainer().loss = 3));
        throws(['model of Trainer', 'constructor'], () => (trainer().model = model));
        const layer = new Reformer.LayerNorm({device, size: 4});
        layer.eps = 1e-5;
        layer.forward(Tensor.fromArray(device, new Float32Array(4), [1, 4]), new Reformer.Tape({device}));
        throws(['eps of LayerNorm', 'before'], () => (layer.eps = 1e-6));
        throws(['size of LayerNorm', 'constructor'], () => (layer.size = 3));
    },

    'dtype-and-shape'() {
        throws(['tokens', 'float32', 'int32'], () => model.forward(Tensor.fromArray(device, new Float32Array(64), [1, 64]), null));
        throws(['Float64Array', 'Float32Array'], () => Tensor.fromArray(device, new Float64Array(3), [3]));
        throws(['[4]', '16 bytes', '12 bytes'], () => Tensor.fromArray(device, new Int32Array(3), [4]));
        throws(['tokens', '[64]', '[B, T]'], () => model.forward(ids.reshape([64]), null));
        throws(['toFloat32Array', 'int32', 'float32'], () => ids.toFloat32Array());
    },

    'wrong-results'() {
        const tape = new Reformer.Tape({device}), x = Tensor.fromArray(device, new Float32Array(8), [1, 2, 4]);
        const layer = new Wrong({device});
        returned = null;
        throws(['forward of', 'Wrong', 'neither a tensor nor an error'], () => layer.forward(x, tape));
        returned = new Error('lost its way');
        throws(['forward of Wrong', 'lost its way'], () => layer.forward(x, tape));
        returned = 'x';
        throws(['forward of Wrong', "'x'", 'a tensor'], () => layer.forward(x, tape));
        returned = new Reformer.ModelError({code: Reformer.ModelError.FAILED, message: 'not today'});
        check(throws(['not today'], () => layer.forward(x, tape)) instanceof Reformer.ModelError, 'a ModelError');
        const one = trainer();
        returned = null;
        throws(['read_sample of', 'Numbers', 'neither a sample nor an error'], () => one.train(1, null));
        returned = 3;
        throws(['11 ids', 'from 1 to 8'], () => one.train(1, null));
        returned = new Error('no such count');
        throws(['count_samples of Numbers', 'no such count'], () => one.train(1, null));
        returned = 0;
    },

    'wrong-finish'() {
        const one = trainer(), other = trainer();
        const result = resultOf(callback => one.evaluate_async(new Numbers(), null, callback));
        throws(['train_finish of ReformerTrainer', 'another call', 'train_async'], () => one.train_finish(result));
        throws(['evaluate_finish of ReformerTrainer', 'another call or object'], () => other.evaluate_finish(result));
        const evaluation = one.evaluate_finish(result);
        check(evaluation.loss > 0 && evaluation.accuracy <= 1 && isNaN(evaluation.macroF1), 'the right one');
        throws(['evaluate_finish', 'finished before', 'once'], () => one.evaluate_finish(result));
        throws(['result', 'null'], () => one.train_finish(null));
        const generator = new Reformer.Generator({model, prompt: '\x01', maxTokens: 2});
        const piece = resultOf(callback => generator.next_piece_async(null, callback));
        throws(['generate_finish of ReformerGenerator', 'generate_async'], () => generator.generate_finish(piece));
    },

    'order'() {
        const linear = new Reformer.Linear({device, inFeatures: 2, outFeatures: 2});
        const tape = new Reformer.Tape({device});
        throws(['backward of ReformerLinear', 'forward must come first'], () => linear.backward(Tensor.fromArray(device, new Float32Array(2), [1, 2]), tape));
        throws(['no model'], () => new Reformer.Trainer().train(1, null));
        throws(['no folder'], () => trainer().save_checkpoint(null));
        throws(['no model'], () => new Reformer.Generator().generate(null));
        throws(['file'], () => new Reformer.TextDataset().count_samples(4));
    },

    'twice'() {
        const stack = load(mixed).get_stack();
        const branch = new Reformer.FeedForward({device, hiddenSize: 32, feedForwardSize: 8});
        stack.insert(0, 'mine', branch);
        throws(["'mine'", 'already'], () => stack.insert(0, 'mine', new Reformer.FeedForward({device, hiddenSize: 32})));
        throws(["'yours'", 'already'], () => stack.insert(0, 'yours', branch));
        const generator = new Reformer.Generator({model: load(GLib.build_filenamev([GLib.getenv('G_TEST_SRCDIR'), 'golden', 'local'])), prompt: '\x01', maxTokens: 3, temperature: 0});
        const first = [...generator].join('');
        check([...generator].join('') === first && first !== '', 'a second iteration begins anew');
        const iterator = generator[Symbol.iterator]();
        const other = generator[Symbol.iterator]();
        iterator.next();
        check([...other].length === 2 && iterator.next().done === true, 'two at once share the text');
    },

    'files'() {
        check(throws(['/nowhere/model'], () => load('/nowhere/model')) instanceof Reformer.FileError, 'a FileError');
        throws(['/nowhere/book.txt'], () => new Reformer.TextDataset({file: Gio.File.new_for_path('/nowhere/book.txt')}).count_samples(8));
        throws(['/nowhere'], () => model.save(Gio.File.new_for_path('/nowhere/model'), null));
    },

    'abstract'() {
        throws(['ReformerLayer'], () => new Reformer.Layer());
        throws(['Bare', 'forward'], () => {
            const Bare = GObject.registerClass({GTypeName: 'Bare'}, class extends Reformer.Layer {});
            new Bare().forward(ids, new Reformer.Tape({device}));
        });
    },

    'final'() {
        const named = ['is derived from Reformer.Config, which is final', 'Reformer.Layer, ', ' or Reformer.Schedule'];
        throws(['Mine ', ...named], () => GObject.registerClass(class Mine extends Reformer.Config {}));
        throws(named, () => GObject.registerClass({GTypeName: 'MyConfig'}, class extends Reformer.Config {}));
        for (const each of [Reformer.LayerNorm, Reformer.TextDataset, Reformer.Tensor])
            check(throws(['Mine is derived from', 'which is final'], () => GObject.registerClass(class Mine extends each {})) instanceof TypeError, 'a TypeError');
    },

    'nothing-lost'() {
        check(model.compute_loss(ids, null, ids) === loss, 'the same loss');
    },

    'closed'() {
        const mine = Reformer.Device.find(null);
        const tensor = Tensor.fromArray(mine, new Int32Array([1, 2]), [1, 2]);
        mine.close();
        for (const attempt of [() => tensor.toInt32Array(), () => model.forward(ids, null), () => trainer().train(1, null), () => Tensor.new(mine, DType.INT32, [1])])
            check(throws(['closed'], attempt).matches(Reformer.DeviceError, Reformer.DeviceError.LOST), 'a lost device');
    },
});
