// SPDX-License-Identifier: LGPL-2.1-or-later
// Writes on from a prompt, piece by piece, as a trained model would: gjs -m generate.js [FOLDER [PROMPT [TOKENS]]]
import Gio from 'gi://Gio';
import Reformer from 'gi://Reformer?version=1.0';

const [folder = 'model', prompt = 'In the beginning ', tokens = 200] = ARGV;
const model = Reformer.Model.load(null, Gio.File.new_for_path(folder), null);
const generator = new Reformer.Generator({model, prompt, maxTokens: Number(tokens), temperature: 0.8, seed: 1});
const output = new Gio.UnixOutputStream({fd: 1}); // print() would end the line
output.write_all(prompt, null);
for await (const piece of generator)
    output.write_all(piece.text, null);
output.write_all('\n', null);
