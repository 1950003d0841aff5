// SPDX-License-Identifier: LGPL-2.1-or-later
// Trains a small model on a text and saves it: gjs -m train-text.js [FILE [STEPS [FOLDER]]]
import Gio from 'gi://Gio';
import Reformer from 'gi://Reformer?version=1.0';

const [path = 'book.txt', steps = 200, folder = 'model'] = ARGV;
const dataset = new Reformer.TextDataset({file: Gio.File.new_for_path(path)}); // its last tenth is held out
const model = new Reformer.Model({config: Reformer.Config.new_preset('small')});
const trainer = new Reformer.Trainer({model, dataset, sequenceLength: 1024, evaluationInterval: 20});
trainer.connect('evaluated', (_, evaluation) => print(`step ${evaluation.step}: ${evaluation.bits.toFixed(4)} bits per byte`));
await trainer.train_async(Number(steps), null);
const evaluation = await trainer.evaluate_async(null, null);
print(`held-out text: ${evaluation.bits.toFixed(4)} bits per byte`);
model.save(Gio.File.new_for_path(folder), null);
