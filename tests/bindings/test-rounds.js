// SPDX-License-Identifier: LGPL-2.1-or-later
// 1,000 times a model and a trainer are made, a step is trained, and all is dropped: what the process holds stays what it was after the first 100.
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Reformer from 'gi://Reformer?version=1.0';
import {live, resident} from './live.js';
import {check, run} from './tap.js';

const ROUNDS = 1000;
const device = Reformer.Device.get_default();

const Ones = GObject.registerClass(class Ones extends Reformer.Dataset {
    vfunc_count_samples() {
        return 4;
    }

    vfunc_read_sample(index, length) {
        return Reformer.Sample.new_from_ids(new Array(length).fill(1));
    }
});

// Adds nothing.
const Still = GObject.registerClass(class Still extends Reformer.Layer {
    _init() {
        super._init({device});
        this.zeros = Reformer.Tensor.fromArray(device, new Float32Array(64), [1, 8, 8]);
    }

    vfunc_forward() {
        return this.zeros;
    }

    vfunc_backward() {
        return this.zeros;
    }
});

function trainLater(trainer) {
    const loop = new GLib.MainLoop(null, false);
    trainer.train_async(1, null).finally(() => loop.quit());
    loop.run();
}

let steps = 0;

function go(own, later) {
    const config = new Reformer.Config({
        vocabSize: 8, isDecoder: true, hiddenSize: 8, numAttentionHeads: 1, attentionHeadSize: 8, feedForwardSize: 8, attnLayers: ['local'],
        localAttnChunkLength: 4, axialPosEmbds: false, maxPositionEmbeddings: 8,
    });
    const model = new Reformer.Model({device, config});
    if (own)
        model.stack.insert(1, 'still', new Still());
    const trainer = new Reformer.Trainer({model, dataset: new Ones(), sequenceLength: 8});
    trainer.connect('step', () => steps++);
    if (later)
        trainLater(trainer);
    else
        trainer.train(1, null);
}

run('gjs-rounds', {
    'all'() {
        const seen = [], objects = [];
        for (let i = 0; i < ROUNDS; i++) {
            go(i % 2 === 1, i % 4 >= 2);
            if (i % 100 === 99) {
                objects.push(live());
                seen.push(resident());
            }
        }
        print(`# resident after each 100: ${seen} KiB; objects: ${objects}`);
        check(steps === ROUNDS, `${steps} steps`);
        check(objects.every(n => n === objects[0]), `${objects} objects`);
        check(seen[9] < seen[0] + 2048, `${seen} KiB`);
    },
});
