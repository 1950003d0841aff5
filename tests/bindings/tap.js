// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs functions as tests and prints what came out in the Test Anything Protocol.
import GLib from 'gi://GLib';
import System from 'system';

// G_DEBUG=fatal-criticals is not enough: LLVM, which PoCL loads, catches the signal of the first one and goes on.
function endAtCriticals() {
    GLib.log_set_handler('Reformer', GLib.LogLevelFlags.LEVEL_CRITICAL | GLib.LogLevelFlags.FLAG_FATAL, (domain, level, message) => {
        printerr(`critical: ${message}`);
        System.exit(1);
    });
}

export function run(prefix, tests) {
    endAtCriticals();
    let failed = 0;
    print(`1..${Object.keys(tests).length}`);
    Object.entries(tests).forEach(([name, test], i) => {
        try {
            test();
            print(`ok ${i + 1} /${prefix}/${name}`);
        } catch (e) {
            failed++;
            print(`not ok ${i + 1} /${prefix}/${name}`);
            `${e}\n${e.stack}`.split('\n').forEach(line => print(`# ${line}`));
        }
    });
    System.exit(failed > 0 ? 1 : 0);
}

export function check(condition, text) {
    if (!condition)
        throw new Error(`wrong: ${text}`);
}

// Calls a function that must throw an error whose message has all the words.
export function throws(words, test) {
    let error = null;
    try {
        test();
    } catch (e) {
        error = e;
    }
    check(error !== null, `nothing was thrown; expected ${words.join(', ')}`);
    print(`# ${error.constructor.name}: ${error.message}`);
    for (const word of words)
        check(error.message.includes(word), `"${error.message}" does not say "${word}"`);
    check(!error.message.includes('\n'), `"${error.message}" has more than one line`);
    return error;
}
