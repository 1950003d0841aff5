# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs that are killed, and folders that fail under them.

    faults.py DRIVER      TAP

The driver (driver.c) trains a small model with a checkpoint after every step. What it leaves is looked at from here, without the library's code."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'bindings'))
import tap

DRIVER = sys.argv[1]
STEPS = 18        # a multiple of the evaluated kind's interval: the last step is evaluated too
KILLS = 20        # for each of the two kinds
SAVING_KILLS = 50
CHOICE = random.Random(20)
TOP = tempfile.mkdtemp(prefix='reformer-faults-')
DATA = os.path.join(TOP, 'text')
ENDS = {}         # kind: what the uninterrupted run left, and how long it took


class Driver:
    """A driver under way, and what it says."""

    def __init__(self, folder, kind, steps=STEPS):
        self.process = subprocess.Popen([DRIVER, folder, DATA, kind, str(steps)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def line(self):
        return self.process.stdout.readline().split()

    def until(self, word):
        """Reads up to a line that begins with the word; its number."""
        while True:
            line = self.line()
            assert line, 'it ended before it said %s: %s' % (word, self.process.stderr.read())
            if line[0] == word:
                return int(line[1])

    def end(self, number=None):
        """Kills it, if there is a number. Exit status, the last step that it said was saved, or 0, and its errors."""
        if number is not None:
            self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=120)
        saved = [int(line.split()[1]) for line in out.splitlines() if line.startswith('saved')]
        return self.process.returncode, max(saved, default=0), errors


def make_text():
    with open(DATA, 'w') as file:
        file.write(', '.join('%d is %s' % (i * i % 97, 'much' if i % 3 == 0 else 'little') for i in range(60)))


def new_folder(name='run'):
    path = os.path.join(TOP, name)
    shutil.rmtree(path, ignore_errors=True)
    return path


def sha256(path):
    with open(path, 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()


def path_of(folder, step):
    return os.path.join(folder, 'checkpoints', 'step-%d' % step)


def steps_of(folder):
    """The steps that have a folder, the newest first."""
    below = os.path.join(folder, 'checkpoints')
    names = os.listdir(below) if os.path.isdir(below) else []
    return sorted((int(name[5:]) for name in names if name.startswith('step-')), reverse=True)


def is_whole(path):
    try:
        with open(os.path.join(path, 'manifest.json')) as file:
            files = json.load(file)['files']
        return len(files) == 5 and all(os.path.getsize(os.path.join(path, name)) == entry['size'] and sha256(os.path.join(path, name)) == entry['sha256']
                                       for name, entry in files.items())
    except (OSError, ValueError, KeyError):
        return False


def describe(folder, step):
    """Hashes of all files of a step, and of the weights that the folder shows."""
    path = path_of(folder, step)
    hashes = {name: sha256(os.path.join(path, name)) for name in sorted(os.listdir(path))}
    hashes['the folder'] = sha256(os.path.join(folder, 'model.safetensors'))
    return hashes


def check_log(folder, step):
    """A line for every step up to this one, once and in order."""
    with open(os.path.join(folder, 'log.jsonl')) as file:
        events = [json.loads(line) for line in file]
    assert [event['step'] for event in events if event['event'] == 'step'] == list(range(1, step + 1)), 'log.jsonl has other steps'
    with open(os.path.join(folder, 'log.csv')) as file:
        rows = file.read().splitlines()
    assert [row.split(',')[0] for row in rows] == ['step'] + [str(i) for i in range(1, step + 1)], 'log.csv has other steps'


def uninterrupted(kind):
    """What a run leaves, and how long it takes."""
    if kind not in ENDS:
        folder = new_folder(kind)
        run = Driver(folder, kind, 1)  # compiles, where nothing is in the cache
        assert run.end()[0] == 0
        folder = new_folder(kind)
        begin = time.monotonic()
        status, saved, errors = Driver(folder, kind).end()
        assert (status, saved, errors) == (0, STEPS, ''), (status, saved, errors)
        ENDS[kind] = describe(folder, STEPS), time.monotonic() - begin
        check_log(folder, STEPS)
        print('# %s: %d steps in %.2f s' % (kind, STEPS, ENDS[kind][1]))
    return ENDS[kind]


def one_line(errors, *words):
    assert errors.count('\n') == 1 and errors.endswith('\n'), 'wanted one line: %r' % errors
    print('# ' + errors.strip())
    for word in words:
        assert word in errors, '%r does not say %r' % (errors, word)


def killed(kind):
    """Killed at random moments until it has come to its end; again until there were enough."""
    want, duration = uninterrupted(kind)
    kills = runs = 0
    while kills < KILLS:
        folder = new_folder()
        runs += 1
        while True:
            run = Driver(folder, kind)
            if kills == KILLS:
                status, saved, errors = run.end()
                break
            time.sleep(CHOICE.uniform(0.02, 0.6) * duration)
            status, saved, errors = run.end(CHOICE.choice((signal.SIGKILL, signal.SIGTERM)))
            if status == 0:
                break
            assert status in (-signal.SIGKILL, -signal.SIGTERM, 143), (status, errors)
            assert errors.replace('1 error generated.\n', '') == '', errors  # clang's words where the signal met it
            kills += 1
            newest = steps_of(folder)[0] if steps_of(folder) else 0
            assert newest >= saved, 'saved %d, but there is only %d' % (saved, newest)
            assert newest == 0 or is_whole(path_of(folder, newest)), 'step %d is not whole' % newest
        assert status == 0 and errors == '', (status, errors)
        assert describe(folder, STEPS) == want, 'other bytes than the uninterrupted run'
        check_log(folder, STEPS)
    print('# %d kills in %d runs' % (kills, runs))


def test_killed_plain():
    killed('plain')


def test_killed_evaluated():
    killed('evaluated')


def test_killed_while_saving():
    """It saves nearly all the time. All that looks like a checkpoint is one, and what it said it had saved is there."""
    folder = new_folder('large')
    under_way = resumed = newest = 0
    for kill in range(SAVING_KILLS):
        run = Driver(folder, 'large', 100000)
        resumed = run.until('resumed')
        assert resumed == newest, 'there was %d, and it went back to %d' % (newest, resumed)
        run.until('saved')
        time.sleep(CHOICE.uniform(0.0, 0.2))
        status, saved, errors = run.end(signal.SIGKILL)
        assert (status, errors) == (-signal.SIGKILL, ''), (status, errors)
        steps = steps_of(folder)
        newest = steps[0]
        assert newest >= max(saved, resumed + 1), 'saved %d, but there is only %d' % (max(saved, resumed + 1), newest)
        for step in steps[:2]:
            assert is_whole(path_of(folder, step)), 'step %d is not whole' % step
        assert sha256(os.path.join(folder, 'model.safetensors')) in [sha256(os.path.join(path_of(folder, step), 'model.safetensors')) for step in steps[:2]]
        under_way += len(steps) > 2 or any('.tmp-' in name for name in os.listdir(os.path.join(folder, 'checkpoints')))
    print('# %d kills, %d of them in the middle of saving; %d steps' % (SAVING_KILLS, under_way, newest))
    assert under_way >= SAVING_KILLS / 5, 'only %d kills came in the middle of saving' % under_way
    # what they left is cleared away
    assert Driver(folder, 'large', newest + 1).end()[0] == 0
    assert sorted(os.listdir(os.path.join(folder, 'checkpoints'))) == sorted('step-%d' % step for step in (newest, newest + 1))


class Mount:
    """A small filesystem in memory."""

    def __init__(self, name, kib):
        self.path = os.path.join(TOP, name)
        os.makedirs(self.path, exist_ok=True)
        if os.geteuid() != 0:
            raise tap.Skip('only root may mount a small tmpfs')
        result = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%dk' % kib, 'tmpfs', self.path], capture_output=True, text=True)
        if result.returncode != 0:
            raise tap.Skip('a tmpfs cannot be mounted here: ' + result.stderr.strip())

    def change(self, options):
        subprocess.run(['mount', '-o', 'remount,' + options, self.path], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        subprocess.run(['umount', self.path], check=True)


def size_of(path):
    return sum(os.path.getsize(os.path.join(path, name)) for name in os.listdir(path)) // 1024 + 1


def test_full_disk():
    """Room for a part of a checkpoint, one and a bit, two and a bit. With more room it goes on to the same end."""
    want, _ = uninterrupted('plain')
    size = size_of(path_of(os.path.join(TOP, 'plain'), STEPS))
    for times in (0.5, 1.5, 2.5):
        with Mount('full', int(size * times)) as disk:
            folder = os.path.join(disk.path, 'run')
            status, saved, errors = Driver(folder, 'plain').end()
            assert status == 1, (status, errors)
            one_line(errors, folder, 'No space left on device')
            assert saved == int(times) and steps_of(folder) == list(range(saved, 0, -1)), (saved, steps_of(folder))
            assert all(is_whole(path_of(folder, step)) for step in steps_of(folder))
            assert not any('.tmp-' in name for name in os.listdir(os.path.join(folder, 'checkpoints')))
            status, again, errors = Driver(folder, 'plain').end()
            assert (status, again) == (1, 0), (status, again, errors)
            disk.change('size=%dk' % (size * 6))
            assert Driver(folder, 'plain').end() == (0, STEPS, '')
            assert describe(folder, STEPS) == want, 'other bytes than the uninterrupted run'
            check_log(folder, STEPS)


def test_read_only():
    with Mount('fixed', 16384) as disk:
        folder = os.path.join(disk.path, 'run')
        run = Driver(folder, 'plain')
        run.until('saved')
        run.end(signal.SIGKILL)
        before = steps_of(folder)
        disk.change('ro')
        for place in (folder, os.path.join(disk.path, 'new')):
            status, saved, errors = Driver(place, 'plain').end()
            assert (status, saved) == (1, 0), (status, saved, errors)
            one_line(errors, place, 'Read-only file system')
        assert steps_of(folder) == before and is_whole(path_of(folder, before[0]))
        disk.change('rw')
        assert Driver(folder, 'plain').end()[0] == 0


def test_folder_removed():
    """Whether all in it goes, or it is renamed: one line, and it is not made again."""
    for kind in ('removed', 'renamed'):
        folder, aside = new_folder(), new_folder('aside')
        run = Driver(folder, 'plain', 100000)
        run.until('saved')
        os.rename(folder, aside)
        if kind == 'removed':
            shutil.rmtree(aside)
        status, saved, errors = run.end()
        assert status == 1, (status, errors)
        one_line(errors, folder)
        assert not os.path.exists(folder)
        assert kind == 'removed' or is_whole(path_of(aside, steps_of(aside)[0]))


def test_two_trainers():
    folder = new_folder()
    run = Driver(folder, 'plain', 100000)
    run.until('saved')
    status, saved, errors = Driver(folder, 'plain').end()
    assert (status, saved) == (1, 0), (status, saved)
    one_line(errors, folder, 'in use by another trainer')
    run.end(signal.SIGKILL)
    newest = steps_of(folder)[0]
    assert Driver(folder, 'plain', newest + 1).end() == (0, newest + 1, '')


make_text()
try:
    tap.run('faults', tap.collect(globals()))
finally:
    shutil.rmtree(TOP, ignore_errors=True)
