// SPDX-License-Identifier: LGPL-2.1-or-later
// A data set written in JavaScript: gjs -m own-dataset.js [STEPS]
import GObject from 'gi://GObject';
import Reformer from 'gi://Reformer?version=1.0';

// Samples of triangle waves with other periods and phases, as levels from 0 to 31.
const Waves = GObject.registerClass(class Waves extends Reformer.Dataset {
    _init(first, count) {
        super._init();
        this.first = first;
        this.count = count;
    }

    vfunc_count_samples(length) {
        return this.count;
    }

    vfunc_read_sample(index, length) {
        const number = this.first + index;
        const period = 5 + number % 27;
        const level = i => Math.floor(Math.abs((number + i) % (2 * period) - period) * 31 / period);
        return Reformer.Sample.new_from_ids(Array.from({length}, (_, i) => level(i)));
    }
});

const steps = Number(ARGV[0] ?? 100);
const config = new Reformer.Config({
    vocabSize: 32, isDecoder: true, hiddenSize: 64, numAttentionHeads: 2, attentionHeadSize: 32, feedForwardSize: 128, attnLayers: ['local', 'lsh'],
    axialPosShape: [16, 16], axialPosEmbdsDim: [16, 48], axialNormStd: 0.1,
});
const model = new Reformer.Model({config});
const trainer = new Reformer.Trainer({
    model, dataset: new Waves(0, 1000), evaluationDataset: new Waves(1000, 20), evaluationInterval: 20,
    optimizer: new Reformer.AdamW({learningRate: 0.005}), sequenceLength: 256, batchSize: 4,
});
trainer.connect('evaluated', (_, evaluation) => print(`step ${evaluation.step}: ${evaluation.bits.toFixed(6)} bits per level`));
await trainer.train_async(steps, null);
