// SPDX-License-Identifier: LGPL-2.1-or-later
// What introspection cannot say about Reformer in JavaScript: typed arrays, promises, arrays where properties are lists of numbers, and an error for every value that
// does not fit a property.
'use strict';

// Gio's own override makes the lists that methods return iterable.
const {Gio, GLib, GObject} = imports.gi; // eslint-disable-line no-unused-vars

let Reformer;

// The classes that cannot be derived.
const FINAL = [
    'Adafactor', 'AdamW', 'AlphabetTokenizer', 'AxialPosition', 'ByteTokenizer', 'Config', 'Device', 'DeviceList', 'Embedding', 'Evaluation', 'FeedForward', 'FullAttention', 'Generator',
    'Inspection', 'LabelledDataset', 'LayerNorm', 'Linear', 'LocalAttention', 'LshAttention', 'MaskedDataset', 'MemoryPlan', 'Model', 'Parameter', 'Piece', 'PositionTable', 'Sample',
    'SentencePieceTokenizer', 'Session', 'Sgd', 'Stack', 'Tape', 'Tensor', 'TextDataset', 'Trainer', 'TrainingRecord', 'WindowAttention',
];

// ---- Tensors ----

const MAKERS = {
    float32: Float32Array,
    int32: Int32Array,
    uint16: Uint16Array,
    uint8: Uint8Array,
};

function nameOf(dtype) {
    for (const [name, value] of Object.entries(Reformer.DType)) {
        if (value === dtype)
            return name.toLowerCase();
    }
    return `${dtype}`;
}

function dtypeOf(array) {
    for (const [name, maker] of Object.entries(MAKERS)) {
        if (array instanceof maker)
            return Reformer.DType[name.toUpperCase()];
    }
    if (array instanceof Uint8ClampedArray)
        return Reformer.DType.UINT8;
    const seen = array === null || array === undefined ? `${array}` : array.constructor?.name ?? typeof array;
    throw new TypeError(`Tensor.fromArray: ${seen}; wanted a Float32Array, Int32Array, Uint16Array or Uint8Array`);
}

function typedArray(tensor, name, wanted) {
    const seen = nameOf(tensor.dtype);
    const maker = MAKERS[seen];
    if (maker === undefined)
        throw new TypeError(`${name}: ${tensor.to_string()}; JavaScript has no array of ${seen}, to_bytes() gives the bytes`);
    if (wanted !== undefined && seen !== wanted)
        throw new TypeError(`${name}: ${tensor.to_string()}; wanted a tensor of ${wanted}`);

    const bytes = tensor.to_bytes().toArray();
    if (bytes.byteOffset % maker.BYTES_PER_ELEMENT !== 0)
        return new maker(bytes.slice().buffer);
    return new maker(bytes.buffer, bytes.byteOffset, bytes.byteLength / maker.BYTES_PER_ELEMENT);
}

function fromArray(device, array, shape) {
    const dtype = dtypeOf(array);
    if (!Array.isArray(shape))
        throw new TypeError(`Tensor.fromArray: the shape is ${shape}; wanted an array of integers`);
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    return Reformer.Tensor.new_from_bytes(device, dtype, shape, bytes);
}

// ---- Properties ----

// Lists of numbers, which C has as variants: their types.
const LISTS = {
    ReformerConfig: {'axial-pos-shape': 'ai', 'axial-pos-embds-dim': 'ai', 'num-buckets': 'ai', 'window-attn-dilation': 'ai', 'window-attn-global-tokens': 'ai', 'class-weights': 'ad'},
    ReformerAxialPosition: {shape: 'ai', dims: 'ai'},
    ReformerLshAttention: {'num-buckets': 'ai'},
    ReformerWindowAttention: {dilation: 'ai'},
};

const INTEGERS = {
    gint: [-(2 ** 31), 2 ** 31 - 1, 'set_int', 'get_int'],
    guint: [0, 2 ** 32 - 1, 'set_uint', 'get_uint'],
    gint64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 'set_int64', 'get_int64'],
    guint64: [0, Number.MAX_SAFE_INTEGER, 'set_uint64', 'get_uint64'],
};

function classOf(object) {
    return object.constructor.name.replace(/^Reformer_/, '');
}

function show(value) {
    if (typeof value === 'string')
        return `'${value}'`;
    return Array.isArray(value) ? `[${value.map(show).join(', ')}]` : `${value}`;
}

function toVariant(what, type, value) {
    const wanted = type === 'ai' ? 'integers' : 'numbers';
    if (value instanceof GLib.Variant) {
        if (value.get_type_string() !== type)
            throw new TypeError(`${what}: ${value.print(true)}; wanted an array of ${wanted}`);
        return value;
    }
    if (value === null)
        return new GLib.Variant(type, []);
    if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && value.length !== undefined))
        throw new TypeError(`${what}: ${show(value)}; wanted an array of ${wanted}`);
    const numbers = Array.from(value);
    numbers.forEach((number, i) => {
        if (type === 'ad' && typeof number !== 'number')
            throw new TypeError(`${what}: ${show(number)} at index ${i}; wanted a number`);
        if (type === 'ai' && !Number.isInteger(number))
            throw new TypeError(`${what}: ${show(number)} at index ${i}; wanted an integer`);
        if (type === 'ai' && number !== (number | 0))
            throw new RangeError(`${what}: ${number} at index ${i}; wanted -2147483648 to 2147483647`);
    });
    return new GLib.Variant(type, numbers);
}

// GObject only warns of a number beyond its limits, and takes another one.
function checkLimits(what, pspec, value, setter, getter) {
    const held = new GObject.Value();
    held.init(pspec.value_type);
    held[setter](value);
    if (Number.isNaN(value))
        throw new RangeError(`${what}: NaN; wanted a number`);
    if (GObject.param_value_validate(pspec, held)) {
        const limit = held[getter]();
        throw new RangeError(`${what}: ${value}; wanted at ${value < limit ? 'least' : 'most'} ${limit}`);
    }
}

function checkInteger(what, pspec, value) {
    const [low, high, setter, getter] = INTEGERS[pspec.value_type.name];
    if (typeof value === 'bigint')
        return;
    if (typeof value !== 'number' || !Number.isInteger(value))
        throw new TypeError(`${what}: ${show(value)}; wanted an integer`);
    if (value < low || value > high)
        throw new RangeError(`${what}: ${value}; wanted ${low} to ${high}`);
    checkLimits(what, pspec, value, setter, getter);
}

function checkStrings(what, value) {
    if (!Array.isArray(value))
        throw new TypeError(`${what}: ${show(value)}; wanted an array of strings`);
    value.forEach((item, i) => {
        if (typeof item !== 'string')
            throw new TypeError(`${what}: ${show(item)} at index ${i}; wanted a string`);
    });
}

// The value as GObject wants it, or an error that names the property, the value and what is wanted.
function convert(what, pspec, value) {
    const type = pspec.value_type;
    const list = LISTS[pspec.owner_type.name]?.[pspec.name];
    if (list !== undefined)
        return toVariant(what, list, value);
    if (type.name in INTEGERS) {
        checkInteger(what, pspec, value);
    } else if (type.name === 'gdouble') {
        if (typeof value !== 'number')
            throw new TypeError(`${what}: ${show(value)}; wanted a number`);
        checkLimits(what, pspec, value, 'set_double', 'get_double');
    } else if (type.name === 'gboolean') {
        if (typeof value !== 'boolean')
            throw new TypeError(`${what}: ${show(value)}; wanted true or false`);
    } else if (type.name === 'gchararray') {
        if (value !== null && typeof value !== 'string')
            throw new TypeError(`${what}: ${show(value)}; wanted a string`);
    } else if (type.name === 'GStrv') {
        if (value !== null)
            checkStrings(what, value);
    } else if (GObject.type_is_a(type, GObject.TYPE_ENUM)) {
        const names = Object.keys(Reformer[type.name.slice(8)]).filter(name => typeof Reformer[type.name.slice(8)][name] === 'number');
        if (!names.some(name => Reformer[type.name.slice(8)][name] === value))
            throw new (typeof value === 'number' ? RangeError : TypeError)(`${what}: ${show(value)}; wanted ${names.map(name => `${type.name.slice(8)}.${name}`).join(' or ')}`);
    } else if (GObject.type_is_a(type, GObject.TYPE_OBJECT) || GObject.type_is_a(type, GObject.TYPE_INTERFACE)) {
        if (value !== null && !(value instanceof GObject.Object && GObject.type_is_a(value.constructor.$gtype, type)))
            throw new TypeError(`${what}: ${show(value)}; wanted a ${type.name}`);
    }
    return value;
}

function checkSet(object, what, pspec, value, native) {
    if (pspec.flags & GObject.ParamFlags.CONSTRUCT_ONLY)
        throw new TypeError(`${what} can be set by its constructor only`);
    if (pspec.flags & GObject.ParamFlags.CONSTRUCT && object instanceof Reformer.Layer && object.get_fixed() && native.get.call(object) !== value)
        throw new TypeError(`${what} can be set before the layer is first used, or put into another, only`);
}

// Every spelling of a property that GJS knows: with -, with _, in camel case.
function spellings(property) {
    return new Set([property, property.replace(/-/g, '_'), property.replace(/-([a-z])/g, (match, letter) => letter.toUpperCase())]);
}

// GJS makes the accessors of a property when it is first asked for.
function nativeProperty(prototype, name) {
    void (name in prototype);
    return Object.getOwnPropertyDescriptor(prototype, name);
}

function addAccessors(class_, pspec) {
    const list = LISTS[pspec.owner_type.name]?.[pspec.name] !== undefined;
    for (const name of spellings(pspec.name)) {
        const native = nativeProperty(class_.prototype, name);
        if (native?.get === undefined)
            continue;
        Object.defineProperty(class_.prototype, name, {
            configurable: true,
            enumerable: true,
            get() {
                const value = native.get.call(this);
                return list ? value?.deepUnpack() ?? [] : value;
            },
            set(value) {
                const what = `${name} of ${classOf(this)}`;
                checkSet(this, what, pspec, value, native);
                native.set.call(this, convert(what, pspec, value));
            },
        });
    }
}

// The functions set_x(), which go around the accessors.
function checkSetter(class_, pspec) {
    const name = `set_${pspec.name.replace(/-/g, '_')}`;
    if (LISTS[pspec.owner_type.name]?.[pspec.name] !== undefined || typeof class_.prototype[name] !== 'function')
        return;
    const native = class_.prototype[name];
    class_.prototype[name] = function (value) {
        native.call(this, convert(`${pspec.name.replace(/-/g, '_')} of ${classOf(this)}`, pspec, value));
    };
}

// A constructor gets what the accessors would.
function checkConstructor(class_) {
    const init = class_.prototype._init;
    class_.prototype._init = function (settings, ...rest) {
        const converted = {};
        for (const [name, value] of Object.entries(settings ?? {})) {
            const pspec = GObject.Object.find_property.call(this.constructor, name.replace(/_/g, '-').replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`));
            const own = pspec?.owner_type.name.startsWith('Reformer') && pspec.flags & GObject.ParamFlags.WRITABLE && value !== undefined;
            converted[name] = own ? convert(`${name} of ${classOf(this)}`, pspec, value) : value;
        }
        return init.call(this, converted, ...rest);
    };

    const {set_property} = class_.prototype;
    class_.prototype.set_property = function (name, value) {
        const pspec = GObject.Object.find_property.call(this.constructor, name.replace(/_/g, '-'));
        const own = pspec?.owner_type.name.startsWith('Reformer') && !(value instanceof GObject.Value);
        set_property.call(this, name, own ? convert(`${name} of ${classOf(this)}`, pspec, value) : value);
    };
}

function checkClass(class_) {
    for (const pspec of GObject.Object.list_properties.call(class_)) {
        if (pspec.owner_type.name === class_.$gtype.name && pspec.flags & GObject.ParamFlags.WRITABLE) {
            addAccessors(class_, pspec);
            checkSetter(class_, pspec);
        }
    }
    if (GObject.type_parent(class_.$gtype).name === 'GObject')
        checkConstructor(class_);
}

// ---- Lists ----

function* iterate() {
    for (let i = 0; i < this.get_n_items(); i++)
        yield this.get_item(i);
}

// ---- Texts that are made ----

// From where the text is; one that has ended begins anew.
function begin(generator) {
    if (generator.get_end() !== Reformer.GenerationEnd.NONE)
        generator.restart();
}

function* pieces() {
    begin(this);
    for (let piece = this.next_piece(null); piece !== null; piece = this.next_piece(null))
        yield piece;
}

async function* piecesLater() {
    begin(this);
    for (let piece = await this.next_piece_async(null); piece !== null; piece = await this.next_piece_async(null))
        yield piece;
}

function makeTexts() {
    const {prototype} = Reformer.Generator;
    prototype[Symbol.iterator] = pieces;
    prototype[Symbol.asyncIterator] = piecesLater;
}

// ---- How objects print ----

function printPieces(tokenizer) {
    try {
        return `${tokenizer.count_ids()} ids`;
    } catch {
        return 'without a model';
    }
}

const PRINTERS = {
    Tensor: tensor => `${tensor.to_string()} on ${tensor.get_device().get_name()}`,
    Device: device => device.get_name(),
    Config: config => config.to_json().replace(/\s+/g, ' '),
    Model: model => `${model.get_config().get_n_layers()} layers, hidden size ${model.get_config().get_hidden_size()}, on ${model.get_device()?.get_name() ?? 'the default device'}`,
    Layer: layer => [...layer.get_parameters()].map(parameter => `${parameter.get_name()} [${parameter.get_shape().join(', ')}]`).join(', '),
    Stack: stack => Array.from({length: stack.get_n_items()}, (_, i) => stack.get_name(i)).join(', '),
    Tape: tape => `${tape.get_depth()} tensors, on ${tape.get_device().get_name()}`,
    Inspection: inspection => inspection.get_n_layers() > 0 ? `${inspection.get_n_layers()} layers` : 'has not run',
    DeviceList: devices => [...devices].map(device => device.get_name()).join(', '),
    Parameter: parameter => `${parameter.get_name()} [${parameter.get_shape().join(', ')}]${parameter.get_trainable() ? '' : ', frozen'}`,
    TrainingRecord: record => `step ${record.get_step()}: loss ${record.get_loss().toPrecision(4)}, ${record.get_tokens()} tokens${record.get_skipped() ? ', skipped' : ''}`,
    // a metric that does not fit the model's head is NaN
    Evaluation: evaluation => `step ${evaluation.get_step()}: loss ${evaluation.get_loss().toPrecision(4)}${[
        [evaluation.get_accuracy(), 'accuracy'], [evaluation.get_macro_f1(), 'macro F1'], [evaluation.get_exact_match(), 'exact match'],
        [evaluation.get_mean_absolute_error(), 'mean absolute error'],
    ].filter(([value]) => !isNaN(value)).map(([value, name]) => `, ${name} ${value.toPrecision(4)}`).join('')}${
        isNaN(evaluation.get_bits()) ? '' : `, ${evaluation.get_bits().toPrecision(4)} bits`}`,
    MemoryPlan: plan => `${plan.get_total()} bytes, ${plan.get_fits() ? 'fits' : 'does not fit'}`,
    Sample: sample => `${sample.get_length()} ${sample.get_values() ? `vectors of ${sample.get_features()}` : 'ids'}`,
    Trainer: trainer => `step ${trainer.get_n_steps()}${trainer.get_n_steps() > 0 ? `, loss ${trainer.get_loss().toPrecision(4)}` : ''}`,
    Generator: generator => `${generator.get_n_tokens()} tokens`,
    Session: session => `${session.get_length()} tokens`,
    Optimizer: optimizer => `learning rate ${optimizer.get_learning_rate()}`,
    Schedule: schedule => `${schedule.get_warmup_steps()} steps of warm-up, down to ${schedule.get_final_factor()}`,
    ByteTokenizer: tokenizer => `${tokenizer.count_ids()} ids`,
    AlphabetTokenizer: tokenizer => tokenizer.get_alphabet(),
    SentencePieceTokenizer: printPieces,
    TextDataset: dataset => dataset.get_file()?.get_parse_name() ?? 'no file',
    LabelledDataset: dataset => dataset.get_file()?.get_parse_name() ?? 'no file',
    MaskedDataset: dataset => `${dataset.get_fraction()} of ${dataset.get_dataset() ?? 'no data set'}`,
};

function addPrinter(name, print) {
    Reformer[name].prototype.toString = function () {
        return `[${this.constructor.name.replace('_', '.')}: ${print(this)}]`;
    };
}

// ---- Arguments ----

const isTensor = value => value instanceof Reformer.Tensor;
const isInteger = value => Number.isInteger(value) || typeof value === 'bigint';

// GJS makes a number of everything, and cuts fractions off.
const KINDS = {
    tensor: [value => value === null || value === undefined || isTensor(value), 'a Reformer.Tensor, such as Tensor.fromArray() makes', value => value.constructor?.name ?? typeof value],
    integer: [isInteger, 'an integer', show],
    number: [value => typeof value === 'number', 'a number', show],
    boolean: [value => typeof value === 'boolean', 'true or false', show],
};

// Integers that C takes from a number on; less would be a critical message.
const LEAST = {count: 0, positive: 1};

// The parameters of functions that take such; what is without a kind is looked at by GJS, or by set_x() of a property.
const HEADS = 'device, hidden_size:integer, num_attention_heads:integer, attention_head_size:integer';
const TAKEN = {
    AxialPosition: {new: 'device, shape:integers, dims:integers'},
    Config: {
        choose_axial_shape: 'length:integer, axes:integer', count_operations: 'length:count, gradients:boolean, keep', set_axial_pos_shape: 'axial_pos_shape:integers',
        set_axial_pos_embds_dim: 'axial_pos_embds_dim:integers', set_num_buckets: 'num_buckets:integers', set_class_weights: 'class_weights:numbers',
        set_window_attn_dilation: 'window_attn_dilation:integers', set_window_attn_global_tokens: 'window_attn_global_tokens:integers',
    },
    Dataset: {count_samples: 'length:integer', read_sample: 'index:integer, length:integer', read_sample_of_epoch: 'index:integer, length:integer, epoch:integer'},
    Embedding: {new: 'device, vocab_size:integer, hidden_size:integer'},
    FeedForward: {new: 'device, hidden_size:integer, feed_forward_size:integer'},
    FullAttention: {new: HEADS},
    Inspection: {
        run: 'tokens:tensor, mask:tensor', get_name: 'layer:integer', get_kind: 'layer:integer', get_buckets: 'layer:integer',
        list_keys: 'layer:integer, row:integer, head:integer, position:integer, n_keys:integer', measure: 'layer:integer, n_queries:integer',
    },
    Layer: {forward: 'input:tensor, tape', backward: 'gradient:tensor, tape'},
    LayerNorm: {new: 'device, size:integer'},
    Linear: {new: 'device, in_features:integer, out_features:integer, bias:boolean'},
    LocalAttention: {new: HEADS},
    LshAttention: {new: HEADS, set_num_buckets: 'num_buckets:integers'},
    MemoryPlan: {get_part_bytes: 'part:integer', get_part_name: 'part:integer'},
    Model: {
        forward: 'tokens:tensor, mask:tensor', encode: 'tokens:tensor, mask:tensor', compute_loss: 'tokens:tensor, mask:tensor, labels:tensor',
        compute_gradients: 'tokens:tensor, mask:tensor, labels:tensor', estimate_memory: 'rows:integer, length:integer, gradients:boolean',
        find_max_length: 'rows:integer, gradients:boolean', set_global_tokens: 'positions:integers',
    },
    Optimizer: {get_state: 'parameter, name, shape:integers', update: 'parameter, step:integer, learning_rate:number, scale:number'},
    Parameter: {new: 'device, name, shape:integers', fill: 'value:number', fill_normal: 'deviation:number, seed:integer'},
    PositionTable: {new: 'device, max_length:integer, hidden_size:integer'},
    Sample: {new_from_ids: 'ids:integers', new_from_values: 'values, features:positive, mask, labels'},
    Schedule: {compute_factor: 'step:integer, total_steps:integer'},
    Session: {feed: 'tokens:tensor, cancellable'},
    Stack: {get_name: 'position:integer', insert: 'position:integer, name, branch', remove: 'position:integer'},
    Tape: {push: 'tensor:tensor'},
    Tensor: {
        new: 'device, dtype, shape:integers', new_from_bytes: 'device, dtype, shape:integers, bytes', reshape: 'shape:integers', upload_pointer: 'address, size:integer',
    },
    Tokenizer: {decode_text: 'ids:integers'},
    Trainer: {train: 'n_steps:integer, cancellable', train_async: 'n_steps:integer, cancellable, callback'},
    WindowAttention: {new: HEADS, set_dilation: 'dilation:integers'},
};

// kind: integer or number
function checkList(what, kind, value) {
    if (value === null || value === undefined)
        return;
    if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && value.length !== undefined))
        throw new TypeError(`${what}: ${show(value)}; wanted an array of ${kind}s`);
    const [fits, wanted] = KINDS[kind];
    const wrong = value.findIndex(item => !fits(item));
    if (wrong >= 0)
        throw new TypeError(`${what}: ${show(value[wrong])} at index ${wrong}; wanted ${wanted}`);
}

function checkKind(what, kind, value) {
    if (kind === 'integers' || kind === 'numbers') {
        checkList(what, kind.slice(0, -1), value);
        return;
    }
    const least = LEAST[kind];
    const [fits, wanted, describe] = KINDS[least === undefined ? kind : 'integer'];
    if (!fits(value))
        throw new TypeError(`${what}: ${describe(value)}; wanted ${wanted}`);
    if (value < least)
        throw new RangeError(`${what}: ${value}; wanted at least ${least}`);
}

function checkArguments(class_, name, text) {
    const holder = name.startsWith('new') ? class_ : class_.prototype;
    const native = holder[name];
    const parameters = text.split(', ').map(parameter => parameter.split(':'));
    // what a constructor takes is put into properties, whose limits GObject only warns of
    const limits = parameters.map(([parameter, kind]) => name === 'new' && kind === 'integer' ? GObject.Object.find_property.call(class_, parameter.replace(/_/g, '-')) : null);
    holder[name] = function (...args) {
        // no function is made here: what it saw of the call would outlive it until a later collection
        for (let i = 0; i < args.length && i < parameters.length; i++) {
            const [parameter, kind] = parameters[i];
            if (kind === undefined)
                continue;
            const what = `${parameter} of ${name}() of ${classOf(holder === class_ ? class_.prototype : this)}`;
            checkKind(what, kind, args[i]);
            if (limits[i])
                checkInteger(what, limits[i], args[i]);
        }
        return native.apply(this, args);
    };
}

// ---- Functions that are written in JavaScript ----

const isNumber = value => typeof value === 'number' && !Number.isNaN(value);
const isBytes = value => value instanceof GLib.Bytes || value instanceof Uint8Array;

// What they must return; null says in C that there is nothing.
const WRITTEN = {
    Layer: {forward: [isTensor, 'a tensor'], backward: [isTensor, 'a tensor']},
    Dataset: {
        count_samples: [Number.isSafeInteger, 'an integer'], read_sample: [value => value instanceof Reformer.Sample, 'a sample'],
        read_sample_of_epoch: [value => value instanceof Reformer.Sample, 'a sample'],
        get_held_out: [value => value instanceof Reformer.Dataset, 'a data set'], identify: [value => typeof value === 'string', 'a string'],
    },
    Tokenizer: {
        encode: [isBytes, 'bytes'], decode: [isBytes, 'bytes'], count_ids: [Number.isSafeInteger, 'an integer'], identify: [value => typeof value === 'string', 'a string'],
    },
    Optimizer: {update: [value => typeof value === 'boolean', 'true or false']},
    Schedule: {compute_factor: [isNumber, 'a number']},
};

// What goes wrong in it says where.
function checkWritten(prototype, name, [fits, wanted]) {
    const written = prototype[`vfunc_${name}`];
    prototype[`vfunc_${name}`] = function (...args) {
        const what = `${name} of ${classOf(this)}`;
        let result;
        try {
            result = written.apply(this, args);
        } catch (e) {
            if (e instanceof Error && !e.message.startsWith(what))
                e.message = `${what}: ${e.message}`;
            throw e;
        }
        if (result === undefined && name === 'update')
            return true;
        if (result === null || (result === undefined && wanted !== 'a number' && wanted !== 'an integer'))
            return null;
        if (!fits(result))
            throw new TypeError(`${what} returned ${show(result)}; wanted ${wanted}`);
        return result instanceof Uint8Array ? new GLib.Bytes(result) : result;
    };
}

// GObject.registerClass() calls this before it looks for the functions.
function checkSubclasses(class_, functions) {
    const init = class_._classInit;
    class_._classInit = function (klass) {
        for (const [name, wanted] of Object.entries(functions)) {
            if (Object.hasOwn(klass.prototype, `vfunc_${name}`))
                checkWritten(klass.prototype, name, wanted);
        }
        return init.call(this, klass);
    };
}

// GObject would end the program.
function refuseSubclasses(name) {
    const wanted = Object.keys(WRITTEN).map(each => `Reformer.${each}`).join(', ').replace(/, ([^,]*)$/, ' or $1');
    Reformer[name]._classInit = function (klass) {
        throw new TypeError(`${klass.name || 'a class'} is derived from Reformer.${name}, which is final; wanted ${wanted}`);
    };
}

const PAIRS = {
    Generator: ['generate', 'next_piece'],
    Trainer: ['train', 'evaluate'],
};

function _init() {
    Reformer = this;

    for (const class_ of [Reformer.DeviceList, Reformer.Stack])
        class_.prototype[Symbol.iterator] = iterate;

    Reformer.Tensor.fromArray = fromArray;
    Reformer.Tensor.prototype.toTypedArray = function () {
        return typedArray(this, 'toTypedArray');
    };
    Reformer.Tensor.prototype.toFloat32Array = function () {
        return typedArray(this, 'toFloat32Array', 'float32');
    };
    Reformer.Tensor.prototype.toInt32Array = function () {
        return typedArray(this, 'toInt32Array', 'int32');
    };

    // a class stands behind the one that it is derived from
    for (const name of [...Object.keys(WRITTEN), 'Attention', ...FINAL])
        checkClass(Reformer[name]);
    for (const [name, functions] of Object.entries(WRITTEN))
        checkSubclasses(Reformer[name], functions);
    FINAL.forEach(refuseSubclasses);
    for (const [name, functions] of Object.entries(PAIRS))
        functions.forEach(function_ => Gio._promisify(Reformer[name].prototype, `${function_}_async`, `${function_}_finish`));
    for (const [name, functions] of Object.entries(TAKEN))
        Object.entries(functions).forEach(([function_, parameters]) => checkArguments(Reformer[name], function_, parameters));
    for (const [name, print] of Object.entries(PRINTERS))
        addPrinter(name, print);
    Reformer.Piece.prototype.toString = function () {
        return this.get_text();
    };
    makeTexts();
}
