// SPDX-License-Identifier: LGPL-2.1-or-later
// Data sets, tokenizers, layers, optimizers and schedules that are written in JavaScript: what they throw, cancellation, memory.
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Reformer from 'gi://Reformer?version=1.0';
import {live, resident} from './live.js';
import {check, run, throws} from './tap.js';

const {Tensor} = Reformer;
const device = Reformer.Device.get_default();
const config = new Reformer.Config({
    vocabSize: 32, isDecoder: true, hiddenSize: 32, numAttentionHeads: 2, attentionHeadSize: 16, feedForwardSize: 32, attnLayers: ['local'],
    axialPosShape: [8, 8], axialPosEmbdsDim: [8, 24],
});
const folder = Gio.File.new_for_path(GLib.Dir.make_tmp('reformer-XXXXXX'));
const book = folder.get_child('book.txt');
GLib.file_set_contents(book.get_path(), 'the quick brown fox jumps over the lazy dog. '.repeat(20));

// What every function written here calls first.
let enter = () => {};
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

    vfunc_read_sample_of_epoch(index, length) {
        enter('read_sample_of_epoch');
        return this.read_sample(index, length);
    }

    vfunc_get_held_out() {
        enter('get_held_out');
        return new Counting();
    }

    vfunc_identify() {
        enter('identify');
        return 'counting';
    }
});

const Letters = GObject.registerClass(class Letters extends Reformer.Tokenizer {
    vfunc_encode(text) {
        enter('encode');
        return new GLib.Bytes(new Uint8Array(Int32Array.from(text.toArray(), byte => byte % 32).buffer));
    }

    vfunc_decode(ids) {
        enter('decode');
        const bytes = ids.toArray();
        return new GLib.Bytes(Uint8Array.from({length: bytes.length / 4}, (_, i) => 97 + bytes[4 * i]));
    }

    vfunc_count_ids() {
        enter('count_ids');
        return 32;
    }

    vfunc_identify() {
        enter('identify');
        return 'letters';
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

function makeModel() {
    const model = new Reformer.Model({device, config});
    model.stack.insert(1, 'half', new Half({device, target: 1}));
    return model;
}

function makeTrainer(settings = {}) {
    return new Reformer.Trainer({
        model: makeModel(), sequenceLength: 32, dataset: new Counting(), optimizer: new Descent({learningRate: 0.1}), schedule: new Slower(), ...settings,
    });
}

const blocking = (object, name, ...rest) => object[name](...rest);

function later(object, name, ...rest) {
    const loop = new GLib.MainLoop(null, false);
    let error = null, result;
    object[`${name}_async`](...rest).then(value => {
        result = value;
    }, e => {
        error = e;
    }).finally(() => loop.quit());
    loop.run();
    if (error !== null)
        throw error;
    return result;
}

const BOTH = [blocking, later];

// ---- What is done with such objects: go() ends it, wherever it was stopped, and its result is always the same ----

let nFolders = 0;
const text = () => ({dataset: new Reformer.TextDataset({file: book, tokenizer: new Letters()})});
const inFolder = () => ({folder: folder.get_child(`run-${nFolders++}`), checkpointInterval: 2});

const losses = trainer => [...trainer.history].map(record => record.loss).join();

class Training {
    constructor(settings = {}) {
        this.trainer = makeTrainer(settings);
    }

    go(way, cancellable = null) {
        if (this.trainer.nSteps < 4)
            way(this.trainer, 'train', 4 - this.trainer.nSteps, cancellable);
        return losses(this.trainer);
    }

    checkStopped(reason) {
        check(this.trainer.stopReason === reason && !this.trainer.running && this.trainer.nSteps < 4, `${this.trainer.stopReason}, ${this.trainer.nSteps} steps`);
    }
}

class Evaluating {
    trainer = makeTrainer();

    go(way, cancellable = null) {
        return way(this.trainer, 'evaluate', null, cancellable).loss;
    }

    checkStopped() {
        check(!this.trainer.running, 'it has ended');
    }
}

class Generating {
    generator = new Reformer.Generator({model: makeModel(), tokenizer: new Letters(), prompt: 'abc', maxTokens: 6, seed: 1});

    go(way, cancellable = null) {
        return way(this.generator, 'generate', cancellable);
    }

    checkStopped() {}
}

const SCENES = {
    training: () => new Training(),
    text: () => new Training(text()),
    folder: () => new Training(inFolder()),
    textInFolder: () => new Training({...text(), ...inFolder()}),
    evaluating: () => new Evaluating(),
    generating: () => new Generating(),
};
const FUNCTIONS = [
    ...['count_samples', 'read_sample', 'read_sample_of_epoch', 'update', 'compute_factor', 'forward', 'backward'].map(name => ['training', name]),
    ...['encode', 'count_ids'].map(name => ['text', name]),
    ...['folder', 'textInFolder'].map(name => [name, 'identify']),
    ...['get_held_out', 'count_samples', 'read_sample', 'forward'].map(name => ['evaluating', name]),
    ...['encode', 'decode', 'count_ids', 'forward'].map(name => ['generating', name]),
];

// Calls test() while what() is done in the nth call of a function, and all after it. Gives the number of calls.
function disturbing(name, nth, what, test) {
    let calls = 0;
    enter = called => {
        calls += called === name;
        if (called === name && calls >= nth)
            what();
    };
    try {
        test();
    } finally {
        enter = () => {};
    }
    return calls;
}

// Calls test(make, way, name, result, calls) for each function in both forms; afterwards what they made is gone.
function tryAll(test) {
    const before = live();
    for (const [scene, name] of FUNCTIONS) {
        const make = SCENES[scene];
        let result;
        const calls = disturbing(name, 1, () => {}, () => {
            result = make().go(blocking);
        });
        check(calls > 0, `nobody calls ${name}`);
        for (const way of BOTH)
            test(make, way, name, result, calls);
    }
    // Code that the engine has compiled keeps some of what it last saw: with GJS_DISABLE_JIT=1 a single trainer with its 75 objects is left, and with it a few, of more
    // than 70.
    const left = live() - before;
    print(`# ${left} objects are left`);
    check(left < 640, `${left} objects are left`);
}

run('gjs-training', {
    'schedule'() {
        const trainer = makeTrainer();
        trainer.train(4, null);
        const rates = [...trainer.history].map(record => record.learningRate);
        check(rates.every((rate, i) => rate === 0.1 * (1 / (i + 1))), `${rates}`);
        check(new Slower().compute_factor(4, 8) === 0.25, 'compute_factor');
    },

    'same'() {
        for (const [name, make] of Object.entries(SCENES)) {
            const [one, two] = BOTH.map(way => make().go(way));
            check(one === two, `${name}: ${one} is not ${two}`);
        }
        const seen = new Training().go(blocking).split(',');
        check(seen.length === 4 && Number(seen[3]) < Number(seen[0]), `${seen}`);
    },

    'exceptions'() {
        tryAll((make, way, name, result, calls) => {
            // in the first call, and in the last one, where it goes on with what the calls before have done
            for (const nth of new Set([1, calls])) {
                const scene = make();
                disturbing(name, nth, () => {
                    throw new Error(`${name} is broken`);
                }, () => throws([`${name} is broken`], () => scene.go(way)));
                if (nth === 1)
                    scene.checkStopped(Reformer.StopReason.FAILED);
                const again = scene.go(way);
                check(again === result || (name === 'update' && nth > 1), `${name}: ${again} is not ${result}`);
            }
        });
    },

    'cancelled'() {
        tryAll((make, way, name, result, calls) => {
            const scene = make(), cancellable = new Gio.Cancellable();
            let error;
            disturbing(name, (calls + 1) >> 1, () => cancellable.cancel(), () => {
                error = throws(['cancelled'], () => scene.go(way, cancellable));
            });
            check(error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), `${error}`);
            scene.checkStopped(Reformer.StopReason.CANCELLED);
            const again = scene.go(way);
            check(again === result, `${name}: ${again} is not ${result}`);
        });
    },

    // 1,000 steps, half of them on text. The heap of JavaScript first grows to its size.
    'memory'() {
        for (const settings of [{}, text()]) {
            const trainer = makeTrainer({historyInterval: 100, ...settings});
            const seen = [], objects = [];
            for (let i = 0; i < 5; i++) {
                later(trainer, 'train', 50, null);
                trainer.train(50, null);
                seen.push(resident());
                objects.push(live() - trainer.history.get_n_items());
            }
            print(`# ${seen.join(', ')} KiB; ${objects} objects`);
            check(trainer.nSteps === 500 && seen[4] < Math.max(...seen.slice(0, 2)) + 8192, `${seen} KiB`);
            check(objects.every(n => n === objects[0]), `${objects} objects`);
        }
    },

    'files'() {
        GLib.spawn_command_line_sync(`rm -r ${GLib.shell_quote(folder.get_path())}`);
        check(!folder.query_exists(null), folder.get_path());
    },
});
