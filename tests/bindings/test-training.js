// SPDX-License-Identifier: LGPL-2.1-or-later
// Training with a data set, tokenizer, layer, optimizer and schedule that are written in JavaScript: what they throw, cancellation, memory.
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Reformer from 'gi://Reformer?version=1.0';
import System from 'system';
import {check, run, throws} from './tap.js';

const {Tensor} = Reformer;
const device = Reformer.Device.get_default();
const config = new Reformer.Config({
    vocabSize: 32, isDecoder: true, hiddenSize: 32, numAttentionHeads: 2, attentionHeadSize: 16, feedForwardSize: 32, attnLayers: ['local'],
    axialPosShape: [8, 8], axialPosEmbdsDim: [8, 24],
});

// What every function written here calls first.
let enter = () => {};
const breaking = name => called => {
    if (called === name)
        throw new Error(`${name} is broken`);
};
const map = (tensor, change) => Tensor.fromArray(device, tensor.toFloat32Array().map(change), tensor.get_shape());

const Counting = GObject.registerClass(class Counting extends Reformer.Dataset {
    vfunc_count_samples() {
        enter('count_samples');
        return 50;
    }

    vfunc_read_sample(index, length) {
        enter('read_sample');
        return Reformer.Sample.new_from_ids(Array.from({length}, (_, i) => (index + i) % 32));
    }
});

const Letters = GObject.registerClass(class Letters extends Reformer.Tokenizer {
    vfunc_encode(text) {
        enter('encode');
        return new GLib.Bytes(new Uint8Array(Int32Array.from(text.toArray(), byte => byte % 32).buffer));
    }

    vfunc_count_ids() {
        return 32;
    }
});

const Half = GObject.registerClass(class Half extends Reformer.Layer {
    vfunc_forward(input) {
        enter('forward');
        return map(input, x => x / 2);
    }

    vfunc_backward(gradient) {
        enter('backward');
        return map(gradient, x => x / 2);
    }
});

const Descent = GObject.registerClass(class Descent extends Reformer.Optimizer {
    vfunc_update(parameter, step, learningRate, scale) {
        enter('update');
        const slope = parameter.gradient.toFloat32Array();
        parameter.value.upload(map(parameter.value, (x, i) => x - learningRate * scale * slope[i]).to_bytes());
        return true;
    }
});

const Slower = GObject.registerClass(class Slower extends Reformer.Schedule {
    vfunc_compute_factor(step) {
        enter('compute_factor');
        return 1 / step;
    }
});

function make(settings = {}) {
    const model = new Reformer.Model({device, config});
    model.stack.insert(1, 'half', new Half({device, target: 1}));
    return new Reformer.Trainer({
        model, sequenceLength: 32, dataset: new Counting(), optimizer: new Descent({learningRate: 0.1}), schedule: new Slower(), ...settings,
    });
}

function trainLater(trainer, steps, cancellable) {
    const loop = new GLib.MainLoop(null, false);
    let error = null;
    trainer.train_async(steps, cancellable).catch(e => {
        error = e;
    }).finally(() => loop.quit());
    loop.run();
    if (error !== null)
        throw error;
}

const BOTH = [(trainer, steps, cancellable = null) => trainer.train(steps, cancellable), (trainer, steps, cancellable = null) => trainLater(trainer, steps, cancellable)];
const FUNCTIONS = ['read_sample', 'update', 'compute_factor', 'forward', 'backward'];
const losses = trainer => [...trainer.history].map(record => record.loss).join();

function resident() {
    System.gc();
    const [, text] = GLib.file_get_contents('/proc/self/statm');
    return Number(new TextDecoder().decode(text).split(' ')[1]) * 4;
}

run('gjs-training', {
    'schedule'() {
        const trainer = make();
        trainer.train(4, null);
        const rates = [...trainer.history].map(record => record.learningRate);
        check(rates.every((rate, i) => rate === 0.1 * (1 / (i + 1))), `${rates}`);
        check(new Slower().compute_factor(4, 8) === 0.25, 'compute_factor');
    },

    'same'() {
        const [one, two] = [make(), make()];
        BOTH[0](one, 6);
        BOTH[1](two, 6);
        check(losses(one) === losses(two) && [...one.history].length === 6, `${losses(one)} is not ${losses(two)}`);
        check(one.history.get_item(5).loss < one.history.get_item(0).loss, losses(one));
    },

    'exceptions'() {
        for (const way of BOTH) {
            for (const name of ['count_samples', ...FUNCTIONS]) {
                const trainer = make();
                enter = breaking(name);
                throws([`${name} is broken`], () => way(trainer, 2));
                check(trainer.stopReason === Reformer.StopReason.FAILED && !trainer.running, 'it ended');
                enter = () => {};
                way(trainer, 2);
                check(trainer.nSteps === 2, `${trainer.nSteps} steps`);
            }
        }
    },

    'tokenizer'() {
        const [file, stream] = Gio.File.new_tmp('reformer-XXXXXX');
        stream.get_output_stream().write_all(new TextEncoder().encode('the quick brown fox jumps over the lazy dog. '.repeat(20)), null);
        stream.close(null);
        for (const way of BOTH) {
            const trainer = make({dataset: new Reformer.TextDataset({file, tokenizer: new Letters()})});
            enter = breaking('encode');
            throws(['encode is broken'], () => way(trainer, 2));
            enter = () => {};
            way(trainer, 2);
            check(trainer.nSteps === 2, `${trainer.nSteps} steps`);
        }
        file.delete(null);
    },

    'cancelled'() {
        const whole = make();
        whole.train(4, null);
        for (const way of BOTH) {
            for (const name of FUNCTIONS) {
                const trainer = make(), cancellable = new Gio.Cancellable();
                let calls = 0;
                enter = called => {
                    calls += called === name;
                    if (calls === 3)
                        cancellable.cancel();
                };
                const error = throws(['cancelled'], () => way(trainer, 4, cancellable));
                enter = () => {};
                check(error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), `${error}`);
                check(trainer.stopReason === Reformer.StopReason.CANCELLED && trainer.nSteps < 4, `${trainer.nSteps} steps`);
                way(trainer, 4 - trainer.nSteps);
                check(losses(trainer) === losses(whole), `${name}: ${losses(trainer)} is not ${losses(whole)}`);
            }
        }
    },

    // The heap of JavaScript first grows to its size.
    'memory'() {
        const trainer = make({historyInterval: 100});
        const seen = [];
        for (let i = 0; i < 5; i++) {
            trainLater(trainer, 150, null);
            trainer.train(50, null);
            seen.push(resident());
        }
        print(`# ${seen.join(', ')} KiB`);
        check(trainer.nSteps === 1000 && seen[4] < Math.max(...seen.slice(0, 3)) + 8192, `${seen} KiB`);
    },
});
