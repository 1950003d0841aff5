// SPDX-License-Identifier: LGPL-2.1-or-later
// How well a byte model that transformers saved foretells a text: gjs -m load-checkpoint.js [FOLDER [FILE]]
import Gio from 'gi://Gio';
import Reformer from 'gi://Reformer?version=1.0';

const [folder = 'model', path = 'book.txt'] = ARGV;
const model = Reformer.Model.load(null, Gio.File.new_for_path(folder), null);
const [text] = Gio.File.new_for_path(path).load_bytes(null);
const ids = new Reformer.ByteTokenizer().encode(text);
const tokens = Reformer.Tensor.new_from_bytes(model.device, Reformer.DType.INT32, [1, ids.get_size() / 4], ids);
const loss = model.compute_loss(tokens, null, tokens); // each token foretells the next
print(`${model.get_n_parameters()} parameters, ${tokens.nElements} tokens`);
print(`loss ${loss.toFixed(6)}, ${(loss / Math.log(2)).toFixed(6)} bits per byte`);
