// SPDX-License-Identifier: LGPL-2.1-or-later
// The standard Transformer, and a Reformer of the same sizes, on random vectors: gjs -m standard-transformer.js [POSITIONS], a multiple of 50
import GLib from 'gi://GLib';
import Reformer from 'gi://Reformer?version=1.0';

const [WIDTH, HEADS, LAYERS, INNER] = [512, 8, 6, 2048];
const n = Number(ARGV[0] ?? 2000);
const device = Reformer.Device.get_default();

function newStack(streams, attention, settings) {
    const stack = new Reformer.Stack({device, streams});
    for (let i = 0; i < LAYERS; i++) {
        stack.insert(2 * i, `${2 * i}`, attention());
        stack.insert(2 * i + 1, `${2 * i + 1}`, new Reformer.FeedForward({device, hiddenSize: WIDTH, feedForwardSize: INNER, ...settings}));
    }
    return stack;
}

const sizes = {device, hiddenSize: WIDTH, numAttentionHeads: HEADS, attentionHeadSize: WIDTH / HEADS};

// One stream, full attention with biases, norms of sums.
function newTransformer() {
    const post = {normFirst: false, layerNormEps: 1e-5};
    return newStack(1, () => new Reformer.FullAttention({...sizes, bias: true, ...post}), post);
}

// Two streams, hashing in place of full attention.
function newReformer() {
    return newStack(2, () => new Reformer.LshAttention({...sizes, chunkLength: 50}), {});
}

// A number for each place, from -1 to 1: the place, hashed.
function newInput() {
    const values = Float32Array.from({length: n * WIDTH}, (_, i) => {
        let x = Math.imul(i, 2654435761);
        x = Math.imul(x ^ x >>> 15, 2246822519);
        return ((x ^ x >>> 13) >>> 8) / 8388608 - 1;
    });
    return Reformer.Tensor.fromArray(device, values, [1, n, WIDTH]);
}

function show(name, stack, x) {
    const tape = new Reformer.Tape({device});
    tape.set_recording(false); // no backward pass will come
    const before = device.get_memory_used();
    device.reset_memory_peak();
    stack.forward(x, tape);
    const peak = device.get_memory_peak() - before;
    const start = GLib.get_monotonic_time();
    const y = stack.forward(x, tape);
    const values = y.toFloat32Array();
    const seconds = (GLib.get_monotonic_time() - start) / 1e6;
    let parameters = 0;
    for (const parameter of stack.get_parameters())
        parameters += parameter.get_shape().reduce((product, size) => product * size, 1);
    print(`${name}: ${parameters} parameters`);
    print(`output [${y.get_shape().join(', ')}], its first number ${values[0].toFixed(6)}`);
    print(`${seconds.toFixed(2)} seconds, peak of memory ${(peak / 2 ** 20).toFixed(1)} MiB`);
}

const x = newInput();
show('Transformer', newTransformer(), x);
show('Reformer', newReformer(), x);
