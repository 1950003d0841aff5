# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the reformer command for the tests in this folder: in pipes, on a terminal, with signals. REFORMER_TOOL names the program, else it is the one in PATH."""

import atexit
import fcntl
import hashlib
import json
import os
import pty
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'bindings'))
import tap  # noqa: E402,F401

TOOL = os.environ.get('REFORMER_TOOL', 'reformer')
SCRATCH = tempfile.mkdtemp(prefix='reformer-tool-')
atexit.register(shutil.rmtree, SCRATCH, True)

# A model that takes a few milliseconds a step.
TINY = ['--hidden-size', '32', '--num-attention-heads', '2', '--attention-head-size', '16', '--feed-forward-size', '64', '--attn-layers', 'local,lsh',
        '--local-attn-chunk-length', '16', '--lsh-attn-chunk-length', '16', '--length', '64', '--hidden-dropout-prob', '0.1']


def path(name):
    return os.path.join(SCRATCH, name)


def write(name, data):
    with open(path(name), 'wb') as file:
        file.write(data)
    return path(name)


def make_text(n_bytes, seed=1):
    """Sentences of few words, so that there is something to learn."""
    draw = random.Random(seed)
    words = 'the a quick brown fox jumps over lazy dog and model of bytes reads its book every day'.split()
    lines = [' '.join(draw.choice(words) for _ in range(draw.randint(4, 9))).capitalize() + '.\n' for _ in range(200)]
    text = ''.join(lines)
    return (text * (n_bytes // len(text) + 1))[:n_bytes].encode()


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return 'status %d, standard output:\n%s\nstandard error:\n%s' % (self.status, self.out.decode(errors='replace'), self.err.decode(errors='replace'))

    def json(self):
        assert self.status == 0 or self.status > 128, self
        return json.loads(self.out)


def start(*arguments, **keywords):
    keywords.setdefault('stdin', subprocess.DEVNULL)
    return subprocess.Popen([TOOL, *arguments], cwd=SCRATCH, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **keywords)


def end(process, data=None):
    out, err = process.communicate(data, timeout=120)
    return Result(process.returncode, out, err)


def run(*arguments, data=None, env=None):
    """In pipes. `env` changes the environment; None takes a variable away."""
    environment = dict(os.environ)
    for name, value in (env or {}).items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    return end(start(*arguments, env=environment, stdin=subprocess.DEVNULL if data is None else subprocess.PIPE), data)


def fine(*arguments, **keywords):
    result = run(*arguments, **keywords)
    assert result.status == 0, result
    return result


def train(name, *arguments):
    return fine('train', name, '--data', 'book.txt', *TINY, *arguments)


def run_on_terminal(*arguments, columns=80, term='xterm'):
    """Standard error is a terminal; standard output is a pipe."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    process = subprocess.Popen([TOOL, *arguments], cwd=SCRATCH, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave, env=dict(os.environ, TERM=term))
    os.close(slave)
    seen = b''
    while True:
        ready, _, _ = select.select([master], [], [], 60)
        assert ready, 'nothing happens on the terminal'
        try:
            data = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        seen += data
    os.close(master)
    out = process.stdout.read()
    process.stdout.close()
    return Result(process.wait(60), out, seen)


def catches(pid, number):
    """Whether a process has a handler for a signal by now."""
    with open('/proc/%d/status' % pid, encoding='ascii') as file:
        caught = next(line for line in file if line.startswith('SigCgt'))
    return int(caught.split()[1], 16) >> (number - 1) & 1


def wait_for(condition, what):
    for _ in range(12000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError('no ' + what)


def wait_for_step(name, step):
    """Until the log of a run has so many steps."""
    log = path(os.path.join(name, 'log.csv'))

    def there():
        if not os.path.exists(log):
            return False
        with open(log, 'rb') as file:
            return file.read().count(b'\n') > step
    wait_for(there, 'step %d' % step)


def digest(*parts):
    with open(path(os.path.join(*parts)), 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()


def load(*parts):
    with open(path(os.path.join(*parts)), encoding='utf-8') as file:
        return json.load(file)


def message(result, *parts):
    """One line that begins with the program's name and says all the parts."""
    text = result.err.decode()
    assert text.startswith('reformer: ') and text.count('\n') == 1 and text.endswith('\n'), result
    for part in parts:
        assert part in text, '%r does not say %r' % (text, part)


def need_device():
    if run('devices').status != 0:
        print('1..0 # SKIP there is no OpenCL device')
        sys.exit(0)


SIGNALS = {'SIGINT': (signal.SIGINT, 130), 'SIGTERM': (signal.SIGTERM, 143), 'SIGHUP': (signal.SIGHUP, 129)}
write('book.txt', make_text(20000))
