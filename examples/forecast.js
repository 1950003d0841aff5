// SPDX-License-Identifier: LGPL-2.1-or-later
// A series that is continued: vectors instead of ids, and a value at each position: gjs -m forecast.js [STEPS]
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Reformer from 'gi://Reformer?version=1.0';

// What a meter says: a day of 24 hours, and a week.
const level = hour => Math.abs(hour % 24 - 12) / 6 - 1 + Math.abs(hour % 168 - 84) / 84;
const toBytes = values => new GLib.Bytes(new Uint8Array(Float32Array.from(values).buffer));

// Stretches of the series; what is to be learned of each hour is the next one.
const Hours = GObject.registerClass(class Hours extends Reformer.Dataset {
    _init(first, count) {
        super._init();
        this.first = first;
        this.count = count;
    }

    vfunc_count_samples(length) {
        return this.count;
    }

    vfunc_read_sample(index, length) {
        const series = Array.from({length: length + 1}, (_, i) => level(this.first + 37 * index + i));
        return Reformer.Sample.new_from_values(toBytes(series.slice(0, -1)), 1, null, toBytes(series.slice(1)));
    }
});

const steps = Number(ARGV[0] ?? 300);
const config = new Reformer.Config({
    head: Reformer.Head.VALUES, numLabels: 1, inputFeatures: 1, isDecoder: true, hiddenSize: 32, numAttentionHeads: 2, attentionHeadSize: 16,
    feedForwardSize: 64, attnLayers: ['local', 'lsh'], axialPosShape: [16, 32], axialPosEmbdsDim: [8, 24], axialNormStd: 0.1, initializerRange: 0.15,
    hiddenDropoutProb: 0,
});
const model = new Reformer.Model({config});
const trainer = new Reformer.Trainer({
    model, dataset: new Hours(0, 100), evaluationDataset: new Hours(5000, 10), optimizer: new Reformer.AdamW({learningRate: 0.005}),
    schedule: new Reformer.Schedule({warmupSteps: 20}), sequenceLength: 336, batchSize: 2,
});
await trainer.train_async(steps, null);
print(`mean squared error ${trainer.evaluate(null, null).meanSquaredError.toFixed(6)}`);

const series = Array.from({length: 336}, (_, i) => level(9000 + i));
for (let hour = 0; hour < 24; hour++) {
    const said = model.forward(Reformer.Tensor.fromArray(model.device, Float32Array.from(series), [1, series.length, 1]), null);
    series.push(said.toFloat32Array().at(-1));
}
print(`the next day: ${series.slice(-24).map(value => value.toFixed(3)).join(' ')}`);
