// SPDX-License-Identifier: LGPL-2.1-or-later
// Texts in JavaScript: loops, promises, signals.
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Reformer from 'gi://Reformer?version=1.0';
import {check, run, throws} from './tap.js';

const folder = GLib.build_filenamev([GLib.getenv('G_TEST_SRCDIR'), 'golden', 'local']);
const model = Reformer.Model.load(Reformer.Device.get_default(), Gio.File.new_for_path(folder), null); // 40 ids: bytes 0 to 37
const generator = (settings = {}) => new Reformer.Generator({model, prompt: '\x01\x05', maxTokens: 12, ...settings});

// Turns the main loop until the promise is settled.
function wait(promise) {
    const loop = new GLib.MainLoop(null, false);
    let result, error = null;
    promise.then(value => {
        result = value;
    }, e => {
        error = e;
    }).finally(() => loop.quit());
    loop.run();
    if (error !== null)
        throw error;
    return result;
}

run('gjs-generator', {
    'loop'() {
        const one = generator({tokenizer: new Reformer.ByteTokenizer(), seed: 3});
        const pieces = [...one];
        check(pieces.length === 12 && one.get_n_tokens() === 12, `${pieces.length} pieces`);
        check(one.get_end() === Reformer.GenerationEnd.TOKENS, `end ${one.get_end()}`);
        check(pieces.map(piece => `${piece}`).join('') === one.generate(null), 'the text is that of the pieces');
        check(pieces.every(piece => piece.get_bytes().toArray()[0] + 2 === piece.id && piece.text === String(piece)), 'ids, bytes, text');
        check([...one].map(piece => piece.id).join() === pieces.map(piece => piece.id).join(), 'the same again');
    },

    'for-await'() {
        const one = generator();
        const ids = [...one].map(piece => piece.id);
        const seen = [];
        wait((async () => {
            for await (const piece of one) {
                seen.push(piece.id);
                if (seen.length === 5)
                    break;
            }
            for await (const piece of one)
                seen.push(piece.id);
        })());
        check(seen.join() === ids.join(), `${seen} is not ${ids}`);
    },

    'promises'() {
        const one = generator();
        const want = one.generate(null);
        const seen = [];
        one.connect('token', (_, piece) => seen.push(piece.text));
        check(wait(one.generate_async(null)) === want, 'the text of a promise');
        check(seen.join('') === want, 'the pieces of a promise');
        const both = [one.generate_async(null), one.generate_async(null)];
        throws(['at work already'], () => wait(both[1]));
        check(wait(both[0]) === want, 'the first of two');
    },

    'errors'() {
        throws(['prompt', '5000', 'positions'], () => generator({prompt: '\x01'.repeat(5000)}).generate(null));
        throws(['prompt', '5000', 'positions'], () => wait(generator({prompt: '\x01'.repeat(5000)}).generate_async(null)));
        const cancellable = new Gio.Cancellable();
        cancellable.cancel();
        throws(['cancelled'], () => wait(generator().next_piece_async(cancellable)));
    },
});
