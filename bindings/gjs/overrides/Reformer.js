// SPDX-License-Identifier: LGPL-2.1-or-later
// What introspection cannot say about Reformer in JavaScript: typed arrays, and arrays where properties are lists of integers.
'use strict';

// Gio's own override makes the lists that methods return iterable.
const {Gio, GLib, GObject} = imports.gi; // eslint-disable-line no-unused-vars

let Reformer;

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

// ---- Lists of integers ----

function toVariant(name, value) {
    if (value instanceof GLib.Variant) {
        if (value.get_type_string() !== 'ai')
            throw new TypeError(`${name}: ${value.print(true)}; wanted an array of integers`);
        return value;
    }
    if (value === null)
        return new GLib.Variant('ai', []);
    if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && value.length !== undefined))
        throw new TypeError(`${name}: ${value}; wanted an array of integers`);
    const numbers = Array.from(value);
    numbers.forEach((number, i) => {
        if (!Number.isInteger(number) || number !== (number | 0))
            throw new TypeError(`${name}: ${number} at index ${i}; wanted an integer from -2147483648 to 2147483647`);
    });
    return new GLib.Variant('ai', numbers);
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

function takeArrays(class_, properties) {
    const names = new Set();
    for (const property of properties) {
        const pspec = GObject.Object.find_property.call(class_, property);
        const fixed = (pspec.flags & GObject.ParamFlags.CONSTRUCT_ONLY) !== 0;
        for (const name of spellings(property)) {
            const native = nativeProperty(class_.prototype, name);
            names.add(name);
            Object.defineProperty(class_.prototype, name, {
                configurable: true,
                enumerable: true,
                get() {
                    return native.get.call(this)?.deepUnpack() ?? [];
                },
                set(value) {
                    if (fixed)
                        throw new TypeError(`${name} of ${class_.name} can be set by its constructor only`);
                    native.set.call(this, toVariant(name, value));
                },
            });
        }
    }

    const init = class_.prototype._init;
    class_.prototype._init = function (settings, ...rest) {
        const converted = {};
        for (const [name, value] of Object.entries(settings ?? {}))
            converted[name] = names.has(name) ? toVariant(name, value) : value;
        return init.call(this, converted, ...rest);
    };
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
    Gio._promisify(prototype, 'next_piece_async', 'next_piece_finish');
    Gio._promisify(prototype, 'generate_async', 'generate_finish');
    prototype[Symbol.iterator] = pieces;
    prototype[Symbol.asyncIterator] = piecesLater;
    Reformer.Piece.prototype.toString = function () {
        return this.get_text();
    };
}

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

    const setTarget = Reformer.Layer.prototype.set_target;
    Reformer.Layer.prototype.set_target = function (target) {
        if (target !== 0 && target !== 1)
            throw new RangeError(`target: ${target}; wanted 0 or 1`);
        setTarget.call(this, target);
    };

    takeArrays(Reformer.Config, ['axial-pos-shape', 'axial-pos-embds-dim', 'num-buckets']);
    takeArrays(Reformer.AxialPosition, ['shape', 'dims']);
    takeArrays(Reformer.LshAttention, ['num-buckets']);
    makeTexts();
    Gio._promisify(Reformer.Trainer.prototype, 'train_async', 'train_finish');
    Gio._promisify(Reformer.Trainer.prototype, 'evaluate_async', 'evaluate_finish');
}
