# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs functions as tests and prints what came out in the Test Anything Protocol."""

import os
import signal
import sys
import traceback

# Who starts the tests in the background, or under nohup, has some signals ignored; programs under test would inherit that.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


class Skip(Exception):
    pass


def _end(domain, level, message, data):
    sys.stdout.flush()
    os.write(2, ('critical: %s\n' % message).encode())
    os._exit(1)


def _end_at_criticals():
    """G_DEBUG=fatal-criticals is not enough: LLVM, which PoCL loads, catches the signal of the first one and goes on."""
    if 'gi' in sys.modules:
        from gi.repository import GLib
        GLib.log_set_handler('Reformer', GLib.LogLevelFlags.LEVEL_CRITICAL | GLib.LogLevelFlags.FLAG_FATAL, _end, None)


def run(prefix, tests):
    """`tests` are functions whose names begin with test_, or pairs of a name and a function."""
    failed = 0
    _end_at_criticals()
    pairs = [test if isinstance(test, tuple) else (test.__name__[5:].replace('_', '-'), test) for test in tests]
    print('1..%d' % len(pairs))
    for number, (name, function) in enumerate(pairs, 1):
        try:
            function()
            print('ok %d /%s/%s' % (number, prefix, name))
        except Skip as reason:
            print('ok %d /%s/%s # SKIP %s' % (number, prefix, name, reason))
        except BaseException:
            failed += 1
            print('not ok %d /%s/%s' % (number, prefix, name))
            print('\n'.join('# ' + line for line in traceback.format_exc().splitlines()))
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


def raises(kind, words, function, *args, **kwargs):
    """Calls a function that must raise, with all the words in its message, which has one line."""
    try:
        function(*args, **kwargs)
    except kind as e:
        for word in words:
            assert word in str(e), '%r does not say %r' % (str(e), word)
        assert '\n' not in str(e), '%r has more than one line' % str(e)
        print('# %s: %s' % (type(e).__name__, e))
        return e
    raise AssertionError('%s was not raised' % kind.__name__)


def collect(names):
    """The test functions of a module, in the order they were written."""
    return [value for name, value in names.items() if name.startswith('test_')]
