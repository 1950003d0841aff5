// SPDX-License-Identifier: LGPL-2.1-or-later
// What this process holds: its memory, and the living objects of Reformer's classes (live-objects.c). Imported before the first is made.
import GLib from 'gi://GLib';
import System from 'system';

GLib.unlink(GLib.getenv('LIVE_OBJECTS')); // of an earlier run: it must not be taken for this one's

const read = path => new TextDecoder().decode(GLib.file_get_contents(path)[1]);

// Objects of JavaScript go when rubbish is collected; what they held in C goes with what they leave to the main loop.
function collect() {
    for (let i = 0; i < 3; i++) {
        System.gc();
        while (GLib.MainContext.default().iteration(false))
            ;
    }
}

// KiB of the process that are in memory.
export function resident() {
    collect();
    return Number(read('/proc/self/statm').split(' ')[1]) * 4;
}

export function live() {
    collect();
    return Number(read(GLib.getenv('LIVE_OBJECTS')).split(/\s+/)[3]);
}
