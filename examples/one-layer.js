// SPDX-License-Identifier: LGPL-2.1-or-later
// An LSH attention layer used alone, forward and backward: gjs -m one-layer.js [TOKENS]
import Reformer from 'gi://Reformer?version=1.0';

const n = Number(ARGV[0] ?? 512);
const device = Reformer.Device.get_default();
const layer = new Reformer.LshAttention({device, hiddenSize: 64, numAttentionHeads: 4, attentionHeadSize: 16});
const tape = new Reformer.Tape({device});
const values = Float32Array.from({length: n * 64}, (_, i) => (i * 7 % 11 - 5) / 4);
const x = Reformer.Tensor.fromArray(device, values, [1, n, 64]);

const y = layer.forward(x, tape);
layer.clear_gradients();
const dx = layer.backward(y, tape); // y is the gradient of half the sum of its squares

const norm = tensor => Math.sqrt(tensor.toFloat32Array().reduce((sum, value) => sum + value * value, 0)).toFixed(9);
print(`output ${norm(y)}`);
print(`gradient of the input ${norm(dx)}`);
for (const parameter of layer.get_parameters())
    print(`gradient of ${parameter.name} ${norm(parameter.gradient)}`);
