// SPDX-License-Identifier: LGPL-2.1-or-later
// Loads the golden model `mixed`, computes loss and gradients, and prints them in one line; see load-mixed.c.
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Reformer from 'gi://Reformer?version=1.0';

// One int32 matrix of a safetensors file.
function readTensor(device, path, name) {
    const [, data] = GLib.file_get_contents(path);
    const length = new DataView(data.buffer, data.byteOffset).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(data.subarray(8, 8 + length)));
    const {shape, data_offsets: [begin, end]} = header[name];
    return Reformer.Tensor.fromArray(device, new Int32Array(data.slice(8 + length + begin, 8 + length + end).buffer), shape);
}

const folder = GLib.build_filenamev([GLib.getenv('G_TEST_SRCDIR'), 'golden', 'mixed']);
const answers = GLib.build_filenamev([folder, 'io.safetensors']);
const device = Reformer.Device.get_default();
const model = Reformer.Model.load(device, Gio.File.new_for_path(folder), null);

const loss = model.compute_gradients(readTensor(device, answers, 'ids'), null, readTensor(device, answers, 'labels'));

let hash = 2166136261;
const parameters = [...model.get_parameters()];
for (const parameter of parameters) {
    for (const byte of parameter.gradient.to_bytes().toArray())
        hash = Math.imul(hash ^ byte, 16777619) >>> 0;
}

const view = new DataView(new ArrayBuffer(8));
view.setFloat64(0, loss);
const bits = view.getBigUint64(0).toString(16).padStart(16, '0');
print(`loss ${loss.toFixed(12)} bits ${bits}, ${parameters.length} gradients ${hash.toString(16).padStart(8, '0')}`);
