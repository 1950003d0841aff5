// SPDX-License-Identifier: LGPL-2.1-or-later
// Typed arrays, lists, layers and typical mistakes in JavaScript. G_DEBUG=fatal-criticals ends the process where a mistake is only a critical message.
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Reformer from 'gi://Reformer?version=1.0';
import {check, run, throws} from './tap.js';

const {DType, Head, Tensor} = Reformer;
const mixed = GLib.build_filenamev([GLib.getenv('G_TEST_SRCDIR'), 'golden', 'mixed']);
const device = Reformer.Device.get_default();
const load = folder => Reformer.Model.load(device, Gio.File.new_for_path(folder), null);
const model = load(mixed);
const ids = Tensor.fromArray(device, new Int32Array(64).map((_, i) => (i * 7) % 40), [1, 64]);
const int32 = (values, shape) => Tensor.fromArray(device, new Int32Array(values), shape);
const pieces = () => Reformer.SentencePieceTokenizer.new_from_file(
    Gio.File.new_for_path(GLib.build_filenamev([GLib.getenv('G_TEST_SRCDIR'), 'sentencepiece', 'plain.model'])), null);
const same = (a, b) => check(Array.from(a).join() === Array.from(b).join(), `${a} is not ${b}`);

function config(settings = {}) {
    return new Reformer.Config({
        vocabSize: 40, hiddenSize: 32, numAttentionHeads: 2, attentionHeadSize: 16, feedForwardSize: 64, isDecoder: true, axialPosShape: [8, 8],
        axialPosEmbdsDim: [8, 24], numBuckets: [4], ...settings,
    });
}

// Both validate() and the first use say what does not fit.
function invalid(words, settings) {
    throws(words, () => config(settings).validate());
    throws(words, () => new Reformer.Model({device, config: config(settings)}).forward(ids, null));
}

const Half = GObject.registerClass(class Half extends Reformer.Layer {
    _init(settings, width) {
        super._init(settings);
        this.inner = new Reformer.Linear({device: this.device, in_features: width, out_features: width});
        this.add_child('inner', this.inner);
    }

    vfunc_forward(input, tape) {
        if (this.how === 'throws')
            throw new Error('not to my taste');
        if (this.how === 'null')
            return null;
        return this.halve(this.inner.forward(input, tape));
    }

    vfunc_backward(gradient, tape) {
        return this.inner.backward(this.halve(gradient), tape);
    }

    halve(tensor) {
        return Tensor.fromArray(tensor.device, tensor.toFloat32Array().map(x => x / 2), tensor.get_shape());
    }
});

// Lengths of words.
const Words = GObject.registerClass(class Words extends Reformer.Tokenizer {
    vfunc_encode(text) {
        const words = new TextDecoder().decode(text.toArray()).split(' ').filter(word => word !== '');
        if (this.how === 'throws')
            throw new Error('not my language');
        return this.how === 'null' ? null : new GLib.Bytes(new Uint8Array(new Int32Array(words.map(word => word.length)).buffer));
    }

    vfunc_decode(ids) {
        return new GLib.Bytes(new TextEncoder().encode([...new Int32Array(ids.toArray().slice().buffer)].map(n => 'x'.repeat(n)).join(' ')));
    }

    vfunc_count_ids() {
        return 20;
    }
});

const Numbers = GObject.registerClass(class Numbers extends Reformer.Dataset {
    vfunc_count_samples() {
        return 3;
    }

    vfunc_read_sample(index, length) {
        if (this.how === 'throws')
            throw new Error('no sample');
        return this.how === 'null' ? null : Reformer.Sample.new_from_ids(Array.from({length}, (_, i) => index + i));
    }
});

run('gjs', {
    'typed-arrays'() {
        for (const array of [new Float32Array([1.5, -2, 3]), new Int32Array([1, -2, 3]), new Uint16Array([1, 2, 65535]), new Uint8Array([1, 2, 255])]) {
            const tensor = Tensor.fromArray(device, array, [1, 3]);
            const back = tensor.toTypedArray();
            check(back.constructor === array.constructor, `${back.constructor.name} is not ${array.constructor.name}`);
            same(back, array);
            same(tensor.get_shape(), [1, 3]);
        }
        same(Tensor.fromArray(device, new Float32Array([1, 2, 3, 4]).subarray(1, 3), [2]).toFloat32Array(), [2, 3]);
        same(int32([5, 6], [2]).toInt32Array(), [5, 6]);
    },

    'lists'() {
        const made = new Reformer.Config({axialPosShape: [4, 16], axial_pos_embds_dim: [64, 192], 'num-buckets': new Int32Array([4, 8])});
        same(made.axialPosShape, [4, 16]);
        same(made.axial_pos_shape, made.get_axial_pos_shape());
        same(made.numBuckets, [4, 8]);
        made.numBuckets = null;
        same(made.num_buckets, []);
        made.num_buckets = new GLib.Variant('ai', [6]);
        same(made.numBuckets, [6]);
        made.classWeights = [1, 2.5];
        same(made.class_weights, made.get_class_weights());
        throws(["'a' at index 1", 'a number'], () => made.set_class_weights([1, 'a']));
        same(new Reformer.AxialPosition({device, shape: [2, 3], dims: [4, 5]}).shape, [2, 3]);
        same(new Reformer.LshAttention({device, hiddenSize: 8, numBuckets: [4, 2]}).numBuckets, [4, 2]);
        check([...model.get_stack()].length === 8 && [...model.get_parameters()].length === 53 && [...new Reformer.DeviceList()].length > 0, 'lengths');
    },

    'inspection'() {
        const inspection = new Reformer.Inspection({model});
        inspection.run(ids, null);
        const kinds = model.get_config().attnLayers, layer = kinds.indexOf('lsh');
        same(kinds.map((_, i) => inspection.get_kind(i)), kinds);
        const heads = inspection.measure(layer, 0).recursiveUnpack();
        check(heads.length === 2 && heads.every(head => head.coverage > 0 && head.queries === 64), JSON.stringify(heads));
        same(inspection.get_buckets(layer).get_shape(), [1, heads.length, heads[0].rounds, 64]);
        const keys = inspection.list_keys(layer, 0, 0, 40, 3).deepUnpack();
        check(keys.length <= 3 && keys.every(([token, round, weight]) => token <= 40 && round >= 0 && weight > 0), `${keys}`);
        throws(['layer of measure() of Inspection', '1.5'], () => inspection.measure(1.5, 0));
        const branch = [...model.get_stack()][2 * layer], before = model.compute_loss(ids, null, ids);
        branch.ablated = true;
        check(model.compute_loss(ids, null, ids) !== before, 'nothing was left out');
        branch.ablated = false;
        check(model.compute_loss(ids, null, ids) === before, 'something is still left out');
    },

    'promises'() {
        const [, bytes] = GLib.file_get_contents(GLib.getenv('REFORMER_GIR'));
        let name = null, pairs = 0;
        for (const [, kind, found] of new TextDecoder().decode(bytes).matchAll(/<(class|method) name="(\w+)"/g)) {
            name = kind === 'class' ? found : name;
            if (kind === 'method' && found.endsWith('_async')) {
                check(Object.hasOwn(Reformer[name].prototype, `_original_${found}`), `${name}.${found} gives no promise`);
                pairs++;
            }
        }
        check(pairs >= 4, `${pairs} pairs`);
    },

    'texts'() {
        for (const [thing, wanted] of [
            [ids, /^\[Reformer.Tensor: Tensor int32 \[1, 64\] on /], [device, /^\[Reformer.Device: /], [config(), /^\[Reformer.Config: .*"vocab_size": 40/],
            [model, /^\[Reformer.Model: 4 layers, hidden size 32, on /], [model.get_stack(), /^\[Reformer.Stack: layers.0.attention, layers.0.feed_forward, /],
            [new Reformer.Linear({device, inFeatures: 3, outFeatures: 2}), /^\[Reformer.Linear: weight \[2, 3\], bias \[2\]\]$/],
            [[...model.get_parameters()][52], /^\[Reformer.Parameter: lm_head.bias \[40\]\]$/], [new Reformer.TrainingRecord(), /^\[Reformer.TrainingRecord: step 0: loss /],
            [new Reformer.Evaluation(), /^\[Reformer.Evaluation: step 0: loss .* bits\]$/], [model.estimate_memory(1, 64, true), /^\[Reformer.MemoryPlan: \d+ bytes, fits\]$/],
            [Reformer.Sample.new_from_ids([1, 2]), /^\[Reformer.Sample: 2 ids\]$/], [new Reformer.Piece(), /^$/], [new Half({device}, 3), /^\[Half: inner.weight /],
            [new Reformer.Trainer(), /^\[Reformer.Trainer: step 0\]$/], [new Reformer.Generator(), /^\[Reformer.Generator: 0 tokens\]$/],
            [new Reformer.Session(), /^\[Reformer.Session: 0 tokens\]$/], [new Reformer.AdamW(), /^\[Reformer.AdamW: learning rate 0.001\]$/],
            [new Reformer.Schedule(), /^\[Reformer.Schedule: 0 steps of warm-up, down to 0\]$/], [new Reformer.ByteTokenizer(), /^\[Reformer.ByteTokenizer: 258 ids\]$/],
            [new Reformer.SentencePieceTokenizer(), /^\[Reformer.SentencePieceTokenizer: without a model\]$/], [pieces(), /^\[Reformer.SentencePieceTokenizer: 160 ids\]$/],
            [new Reformer.TextDataset({file: Gio.File.new_for_path('/a')}), /^\[Reformer.TextDataset: \/a\]$/],
            [new Reformer.MaskedDataset({dataset: new Numbers()}), /^\[Reformer.MaskedDataset: 0.15 of \[.*Numbers.*\]\]$/], [new Reformer.MaskedDataset(), /: 0.15 of no data set\]$/],
            [new Reformer.AlphabetTokenizer({alphabet: 'ACGT'}), /^\[Reformer.AlphabetTokenizer: ACGT\]$/], [new Reformer.Inspection({model}), /^\[Reformer.Inspection: has not run\]$/],
            [new Reformer.Tape({device}), /^\[Reformer.Tape: 0 tensors, on /], [new Reformer.Tape(), /^\[Reformer.Tape: 0 tensors, on none\]$/],
            [new Reformer.DeviceList(), new RegExp(`^\\[Reformer.DeviceList: .*${[...new Reformer.DeviceList()][0].name.replace(/[^\w]/g, '.')}`)],
        ])
            check(wanted.test(`${thing}`), `${thing} is not ${wanted}`);
    },

    'settings'() {
        const layer = new Reformer.LshAttention({device, hiddenSize: 8, numAttentionHeads: 2, attentionHeadSize: 4});
        layer.numHashes = 2;
        layer.chunk_length = 4;
        layer.numBuckets = [4, 2];
        same(layer.num_buckets, [4, 2]);
        const output = layer.forward(Tensor.fromArray(device, new Float32Array(64), [1, 8, 8]), new Reformer.Tape({device}));
        same(output.get_shape(), [1, 8, 8]);
        throws(['numHashes of LshAttention', 'before'], () => (layer.numHashes = 3));
        layer.numHashes = 2; // as it is
    },

    'output'() {
        const output = model.forward(ids, null);
        same(output.get_shape(), [1, 64, 40]);
        check(output.toFloat32Array().every(Number.isFinite), 'not finite');
    },

    'lengths'() {
        const packed = model.forward(int32([1, 2, 3, 4, 5], [1, 5]), int32([3, 2], [2])).toFloat32Array();
        same(packed.subarray(3 * 40), model.forward(int32([4, 5], [1, 2]), null).toFloat32Array());
        throws(['lengths: 0 at row 1', '1 to 5'], () => model.forward(int32([1, 2, 3, 4, 5], [1, 5]), int32([5, 0], [2])));
    },

    'data'() {
        const words = new Words();
        same(words.encode_text('a bb ccc'), [1, 2, 3]);
        check(words.decode_text([2, 1]) === 'xx x', words.decode_text([2, 1]));
        words.how = 'null';
        throws(['encode of', 'neither bytes nor an error'], () => words.encode_text('a'));
        words.how = 'throws';
        throws(['not my language'], () => words.encode_text('a'));
        const numbers = new Numbers();
        check(numbers.count_samples(4) === 3 && numbers.get_held_out() === null && numbers.identify() === null, 'numbers');
        same(new Int32Array(numbers.read_sample(1, 4).tokens.toArray().slice().buffer), [1, 2, 3, 4]);
        numbers.how = 'null';
        throws(['read_sample of', 'neither a sample nor an error'], () => numbers.read_sample(0, 4));
        numbers.how = 'throws';
        throws(['no sample'], () => numbers.read_sample(0, 4));
        const bytes = new Reformer.ByteTokenizer();
        same(bytes.encode_text('hä'), [106, 197, 166]);
        check(bytes.decode_text([106, 197, 166]) === 'hä', 'bytes');
        check(pieces().decode_text(pieces().encode_text('the café')) === 'the café', 'pieces');
        throws(['wants 5 bytes'], () => Reformer.SentencePieceTokenizer.new_from_bytes(new Uint8Array([0x0a, 5])));
        throws(['has no model'], () => new Reformer.SentencePieceTokenizer().encode_text('a'));
        const text = new Reformer.TextDataset({file: Gio.File.new_for_path('/nowhere/book.txt'), tokenizer: words, heldOutFraction: 0.5});
        throws(['/nowhere/book.txt'], () => text.count_samples(4));
        const lines = new Reformer.LabelledDataset({file: Gio.File.new_for_path(`${mixed}/config.json`), labels: Reformer.Labelling.NONE, heldOutFraction: 0});
        check(lines.count_samples(64) > 5 && lines.list_classes().length === 0 && lines.count_labels() === 0, 'lines');
        same(new Int32Array(lines.read_sample(0, 4).tokens.toArray().slice().buffer), ['{'.charCodeAt(0) + 2]);
        lines.labelColumns = ['a', 'b'];
        lines.labels = Reformer.Labelling.CLASS;
        check(lines.label_columns.length === 2, 'columns');
        throws(['config.json: line 1', 'has no tab'], () => lines.count_samples(64));
        throws(['held_out_fraction of LabelledDataset'], () => (lines.held_out_fraction = 3));
        const masked = new Reformer.MaskedDataset({dataset: numbers, nIds: 9, maskId: 8, fraction: 1, seed: 5});
        numbers.how = '';
        same(new Int32Array(masked.read_sample_of_epoch(1, 4, 2).labels.toArray().slice().buffer), [1, 2, 3, 4]);
        throws(['epoch of read_sample_of_epoch()'], () => masked.read_sample_of_epoch(1, 4, 'a'));
        check(new Reformer.AlphabetTokenizer({alphabet: 'ACGT'}).encode_text('tA').join() === '5,2', 'letters');
        check(Reformer.Config.new_preset('small').vocabSize === 258 && Reformer.Config.list_presets().includes('small'), 'presets');
    },

    'layer'() {
        const mine = load(mixed);
        const layer = new Half({device, target: 1}, 32);
        mine.get_stack().insert(2, 'mine', layer);
        const parameter = [...mine.get_parameters()].find(each => each.name === 'reformer.encoder.extra.mine.inner.bias');
        const first = mine.compute_gradients(ids, null, ids);
        const gradient = parameter.gradient.toFloat32Array();
        check(gradient.some(x => x !== 0), 'no gradient');
        for (let i = 0; i < 5; i++) {
            for (const each of mine.get_parameters()) {
                const slope = each.gradient.toFloat32Array();
                each.value.upload(new Uint8Array(each.value.toFloat32Array().map((x, j) => x - 0.1 * slope[j]).buffer));
            }
            mine.compute_gradients(ids, null, ids);
        }
        const last = mine.compute_loss(ids, null, ids);
        check(last < first - 0.2, `the loss went from ${first} to ${last}`);
        layer.how = 'throws';
        throws(['not to my taste'], () => mine.forward(ids, null));
        layer.how = 'null';
        throws(['forward', 'Half', 'tensor'], () => mine.compute_gradients(ids, null, ids));
        layer.how = 'well';
        check(mine.compute_loss(ids, null, ids) === last, 'something was lost');
    },

    'dtype'() {
        throws(['tokens', 'float32', 'int32'], () => model.forward(Tensor.fromArray(device, new Float32Array(64), [1, 64]), null));
        throws(['mask', 'float32'], () => model.forward(ids, Tensor.fromArray(device, new Float32Array(64), [1, 64])));
        throws(['toInt32Array', 'float32', 'int32'], () => Tensor.fromArray(device, new Float32Array(2), [2]).toInt32Array());
        throws(['bfloat16'], () => Tensor.new(device, DType.BFLOAT16, [2]).toTypedArray());
    },
    'shape'() {
        throws(['tokens', '[64]', '[B, T]'], () => model.forward(int32(new Int32Array(64), [64]), null));
        throws(['mask', '[1, 3]', '[1, 64]'], () => model.forward(ids, int32([1, 1, 1], [1, 3])));
    },
    'id'() {
        throws(['40', 'position 1', '0 to 39'], () => model.forward(int32([1, 40], [1, 2]), null));
    },
    'labels'() {
        throws(['labels', 'no target'], () => model.compute_gradients(int32([1, 2], [1, 2]), null, int32([-100, -100], [1, 2])));
    },
    'too-long'() {
        throws(['65', '64', 'axial_pos_shape'], () => model.forward(int32(new Int32Array(65), [1, 65]), null));
    },
    'missing-folder'() {
        const error = throws(['/nowhere/model'], () => load('/nowhere/model'));
        check(error instanceof Reformer.FileError, error.constructor.name);
    },
    'truncated'() {
        const folder = GLib.Dir.make_tmp('reformer-XXXXXX');
        const names = ['config.json', 'model.safetensors'];
        for (const name of names) {
            const [, data] = GLib.file_get_contents(`${mixed}/${name}`);
            GLib.file_set_contents(`${folder}/${name}`, name === 'config.json' ? data : data.subarray(0, 1000));
        }
        throws(['model.safetensors'], () => load(folder));
        GLib.file_set_contents(`${folder}/config.json`, '{"model_type": "reformer", "hidden_size": "x"}');
        throws(['hidden_size', 'x'], () => load(folder));
        for (const name of names)
            GLib.unlink(`${folder}/${name}`);
        GLib.rmdir(folder);
    },
    'configuration'() {
        invalid(['num_buckets', '7', 'even'], {numBuckets: [7], attnLayers: ['lsh']});
        invalid(['hidden_act', 'prelu'], {hiddenAct: 'prelu'});
        invalid(['axial_pos_embds_dim', '31'], {axialPosEmbdsDim: [8, 23]});
        invalid(['attn_layers', 'global'], {attnLayers: ['global']});
        invalid(['vocab_size', '-5'], {vocabSize: -5});
    },
    'head'() {
        throws(['is_decoder', 'masked'], () => new Reformer.Model({device, config: config({head: Head.MASKED_LANGUAGE})}).prepare());
        throws(['head', 'loss'], () => new Reformer.Model({device, config: config({head: Head.NONE})}).compute_loss(ids, null, ids));
    },
    'null'() {
        throws(['null'], () => model.forward(null, null));
        throws(['null'], () => model.compute_loss(ids, null, null));
        throws(['null'], () => Reformer.Model.load(device, null, null));
        throws(['null'], () => Tensor.fromArray(null, new Int32Array(1), [1]));
    },
    'integers'() {
        throws(['numBuckets', '3', 'array'], () => new Reformer.Config({numBuckets: 3}));
        throws(['axialPosShape', '1.5', 'index 1'], () => new Reformer.Config({axialPosShape: [1, 1.5]}));
        throws(['axialPosShape', 'index 0'], () => new Reformer.Config({axialPosShape: ['a']}));
        throws(['num_buckets', 'x'], () => config().num_buckets = new GLib.Variant('s', 'x'));
        throws(['shape', 'constructor'], () => new Reformer.AxialPosition({device, shape: [1], dims: [1]}).shape = [2]);
    },
    'arguments'() {
        throws(['nope'], () => new Reformer.Config({nope: 1}));
        throws(['Array', 'Float32Array'], () => Tensor.fromArray(device, [1, 2], [2]));
        throws(['undefined', 'Float32Array'], () => Tensor.fromArray(device));
        throws(['3', 'array'], () => Tensor.fromArray(device, new Int32Array(3), 3));
        throws(['[4]', '16 bytes', '12 bytes'], () => Tensor.fromArray(device, new Int32Array(3), [4]));
        throws(['target of Stack', '2', 'at most 1'], () => new Reformer.Stack({device}).set_target(2));
        throws(['without elements'], () => new Tensor().toFloat32Array());
        throws([], () => new Reformer.Layer());
    },
    'devices'() {
        throws(['voodoo'], () => Reformer.Device.find('voodoo'));
        const error = throws(['bytes'], () => Tensor.new(device, DType.FLOAT32, [1 << 20, 1 << 24]));
        check(error instanceof Reformer.DeviceError && error.matches(Reformer.DeviceError, Reformer.DeviceError.OUT_OF_MEMORY), error);
    },
    'stack'() {
        const branch = new Reformer.FeedForward({device, hiddenSize: 32, feedForwardSize: 8});
        throws(['99', '0 to 8'], () => model.get_stack().insert(99, 'mine', branch));
        throws(['8'], () => model.get_stack().remove(8));
        throws(['ReformerLinear', '[1, 4]', '3'], () => new Reformer.Linear({device, inFeatures: 3, outFeatures: 2}).forward(
            Tensor.fromArray(device, new Float32Array(4), [1, 4]), new Reformer.Tape({device})));
    },
    'closed'() {
        const mine = Reformer.Device.find(null);
        const tensor = Tensor.fromArray(mine, new Int32Array([1, 2]), [1, 2]);
        mine.close();
        throws(['closed'], () => tensor.toInt32Array());
        throws(['closed'], () => model.forward(ids, null));
    },
});
