# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/demo.sh on a small text: what it prints and leaves, a second run, a run that is stopped, mistakes. REFORMER_TOOL names the command, so that it builds nothing."""

import atexit
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'bindings'))
import tap  # noqa: E402

TOP = os.path.dirname(os.path.dirname(HERE))
DEMO = os.path.join(TOP, 'examples', 'demo.sh')
SCRATCH = tempfile.mkdtemp(prefix='reformer-demo-')
atexit.register(shutil.rmtree, SCRATCH, True)


def path(name):
    return os.path.join(SCRATCH, name)


def make_text():
    draw = random.Random(1)
    words = 'the a quick brown fox jumps over lazy dog and model of bytes reads its book every day'.split()
    return '\n'.join(' '.join(draw.choices(words, k=8)) for _ in range(600)).encode()


TEXT = make_text()
with open(path('my text.txt'), 'wb') as file:
    file.write(TEXT)


def start(*arguments):
    return subprocess.Popen([DEMO, *arguments], cwd=SCRATCH, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def run(*arguments):
    process = start(*arguments)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err.decode()


def fails(status, words, *arguments):
    """One line, with all the words."""
    seen, out, err = run(*arguments)
    assert seen == status, (seen, out, err)
    assert err.count('\n') == 1, err
    for word in words:
        assert word in err, (word, err)


def compressed(*command):
    held_out = TEXT[-len(TEXT) // 10:]
    return 8 * len(subprocess.run(command, input=held_out, stdout=subprocess.PIPE, check=True).stdout) / len(held_out)


def test_whole():
    status, out, err = run('--steps', '30', '--model', 'first', 'my text.txt')
    assert status == 0, (out, err)
    text = out.decode('utf-8', 'replace')
    assert re.search(r'^step 30/30 .*bits/byte', err, re.M), err
    bits = {name: float(value) for name, value in re.findall(r'^  (.+?) +(\d\.\d+) bits per byte$', text, re.M)}
    assert set(bits) == {'this model', 'gzip -9', 'xz -9e'}, text
    # the cut is moved to where a character begins, and rounded the other way: a byte or two
    assert abs(bits['gzip -9'] - compressed('gzip', '-9c')) < 0.02 and abs(bits['xz -9e'] - compressed('xz', '-9ec')) < 0.02, text
    assert 1 < bits['this model'] < 6, text
    page = out[out.index(b'== 400 bytes by the model\n'):out.index(b'\nThe model is in first')]
    assert len(page) - len(b'== 400 bytes by the model\n') == len(b'The ') + 400, page
    assert 'model.safetensors' in os.listdir(path('first')) and 'config.json' in os.listdir(path('first'))


def test_what_it_proposes():
    status, out, err = run('--steps', '4', '--model', 'proposed', path('my text.txt'))
    assert status == 0, (out, err)
    commands = re.findall(r'^  (\S*reformer .*)$', out.decode('utf-8', 'replace'), re.M)
    assert len(commands) == 3, out
    for command in commands:
        done = subprocess.run(shlex.split(command), cwd=SCRATCH, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        assert done.returncode == 0, (command, done.stdout)


def test_again():
    fails(1, ['first', 'has a run already'], '--steps', '4', '--model', 'first', 'my text.txt')


def test_stopped():
    process = start('--steps', '2000', '--model', 'stopped', 'my text.txt')
    log = path('stopped/log.csv')
    for _ in range(6000):
        if os.path.exists(log) and os.path.getsize(log) > 400 or process.poll() is not None:
            break
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (process.returncode, out, err)
    line = re.search(r'^Stopped and saved\. To go on: (\S+) (--resume --model stopped .*)$', out.decode(), re.M)
    assert line, (out, err)
    process = start(*shlex.split(line.group(2)))
    while not re.search(rb'step \d+/2000', process.stderr.readline()):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(60) == 143
    process.stdout.close()
    process.stderr.close()


def test_resume():
    """With the text of the run, named or not; with another one it is refused."""
    status, out, err = run('--steps', '4', '--model', 'resumed', 'my text.txt')
    assert status == 0, (out, err)
    status, again, err = run('--resume', '--model', 'resumed')
    assert status == 0, (again, err)
    lines = [re.findall(rb'^  (?:gzip|xz) .*$', each, re.M) for each in (out, again)]
    assert lines[0] == lines[1] and len(lines[0]) == 2, lines
    assert b'--resume --steps 8\n' in again, again
    with open(path('other.txt'), 'wb') as other:
        other.write(TEXT + b'!')
    fails(1, ['other.txt is not the text of the run in resumed', "'my text.txt'"], '--resume', '--model', 'resumed', 'other.txt')
    fails(1, ['there is no run in nothing'], '--resume', '--model', 'nothing')


def test_no_tool():
    for tool in ('/nonexistent', 'no-such-reformer'):
        done = subprocess.run([DEMO, 'my text.txt'], cwd=SCRATCH, env=dict(os.environ, REFORMER_TOOL=tool), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 1 and done.stdout == b'' and done.stderr == b'demo.sh: REFORMER_TOOL is %s, which is no program\n' % tool.encode(), done


def test_mistakes():
    with open(path('empty.txt'), 'wb'):
        pass
    fails(1, ['nowhere.txt', 'is not there'], 'nowhere.txt')
    fails(1, [SCRATCH, 'is no file'], SCRATCH)
    fails(1, ['empty.txt'], '--model', 'empty', 'empty.txt')
    fails(2, ['--steps is many'], '--steps', 'many', 'my text.txt')
    fails(2, ['--steps is 0'], '--steps', '0', 'my text.txt')
    fails(2, ['--seed wants a value'], '--seed')
    fails(2, ['no option --fast'], '--fast')
    fails(2, ['one FILE is wanted', 'b.txt'], 'my text.txt', 'b.txt')


def test_help():
    status, out, err = run('--help')
    assert status == 0 and err == '' and out.startswith(b'usage: examples/demo.sh'), (status, out, err)


if not os.environ.get('REFORMER_TOOL'):
    sys.exit('REFORMER_TOOL is not set')
if subprocess.run([os.environ['REFORMER_TOOL'], 'devices'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
    print('1..0 # SKIP there is no OpenCL device')
    sys.exit(0)
tap.run('demo', tap.collect(globals()))
