// SPDX-License-Identifier: LGPL-2.1-or-later
// A layer written in JavaScript, put between those of a model and trained with them: gjs -m own-layer.js [FILE [STEPS]]
import Gio from 'gi://Gio';
import GObject from 'gi://GObject';
import Reformer from 'gi://Reformer?version=1.0';

// Squeezes each token through a narrow middle.
const Adapter = GObject.registerClass(class Adapter extends Reformer.Layer {
    _init(device, width, narrow) {
        super._init({device, target: 1}); // it is added to the stream that feed-forward layers are added to
        this.norm = new Reformer.LayerNorm({device, size: width});
        this.down = new Reformer.Linear({device, inFeatures: width, outFeatures: narrow});
        this.up = new Reformer.Linear({device, inFeatures: narrow, outFeatures: width});
        this.add_child('norm', this.norm);
        this.add_child('down', this.down);
        this.add_child('up', this.up);
    }

    vfunc_forward(input, tape) {
        return this.up.forward(this.down.forward(this.norm.forward(input, tape), tape), tape);
    }

    vfunc_backward(gradient, tape) {
        return this.norm.backward(this.down.backward(this.up.backward(gradient, tape), tape), tape);
    }
});

const [path = 'book.txt', steps = 100] = ARGV;
const device = Reformer.Device.get_default();
const model = new Reformer.Model({device, config: Reformer.Config.new_preset('small')});
const adapter = new Adapter(device, model.config.hiddenSize, 16);
model.stack.insert(2, 'adapter', adapter);
const dataset = new Reformer.TextDataset({file: Gio.File.new_for_path(path)});
const trainer = new Reformer.Trainer({model, dataset, sequenceLength: 512});
const before = await trainer.evaluate_async(null, null);
print(`before: ${before.bits.toFixed(6)} bits per byte`);
await trainer.train_async(Number(steps), null);
const after = await trainer.evaluate_async(null, null);
print(`after: ${after.bits.toFixed(6)} bits per byte`);
for (const parameter of adapter.get_parameters())
    print(parameter.name);
