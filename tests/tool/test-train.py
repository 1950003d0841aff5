# SPDX-License-Identifier: LGPL-2.1-or-later
"""reformer train, whole: what it prints and where, what it leaves, signals, and going on to the same bits."""

import json
import os
import re
import signal
import subprocess
import time

from command import (SCRATCH, SIGNALS, TINY, TOOL, catches, digest, end, fine, load, message, need_device, path, run, run_on_terminal, start, tap, train, wait_for,
                     wait_for_step, write)

LINE = re.compile(r'step (\d+)/(\d+)  (\d+\.\d\d) bits/byte  [\d,.]+ tokens/s  \d+ MiB(  [\d:]+ left)?')
STEPS = ['--steps', '60', '--held-out-fraction', '0.2', '--evaluation-interval', '20', '--checkpoint-interval', '20', '--learning-rate', '3e-3', '--seed', '7']


def test_pipe():
    result = train('pipe', *STEPS)
    lines = result.err.decode().splitlines()
    steps = [LINE.fullmatch(line) for line in lines]
    assert steps[0] and steps[0].group(1) == '1', lines
    assert len(set(lines)) == len(lines), lines
    assert steps[-1] and steps[-1].group(1) == steps[-1].group(2) == '60', lines
    assert float(steps[-1].group(3)) < float(steps[0].group(3)) - 1, lines
    held_out = [line for line in lines if re.fullmatch(r'step \d+  held out: \d\.\d{3} bits/byte, perplexity [\d.]+, accuracy 0\.\d{3}(, the best so far)?', line)]
    assert len(held_out) == 3 and held_out[0].startswith('step 20 '), lines
    assert b'\r' not in result.err and b'\x1b' not in result.err, result
    out = result.out.decode()
    assert 'reformer generate pipe --prompt' in out and 'reformer evaluate pipe' in out and 'reformer info pipe' in out, out
    assert sorted(os.listdir(path('pipe'))) == ['.reformer-lock', 'checkpoints', 'config.json', 'log.csv', 'log.jsonl', 'model.safetensors', 'reformer-run.json',
                                                'reformer-tokenizer.json']


def test_run_file():
    seen = load('pipe', 'reformer-run.json')
    start_ = seen['starts'][0]
    assert start_['command'][:3] == ['reformer', 'train', 'pipe'] and start_['step'] == 0, seen
    assert start_['version'] == fine('--version').out.decode().split()[1]
    assert start_['device']['name'] and start_['device']['kernels'] in ('wide', 'simt')
    assert seen['seed'] == '7' and seen['tokenizer'] == 'bytes' and seen['optimizer']['name'] == 'adamw'
    assert seen['optimizer']['options']['learning-rate'] == '0.003' and seen['trainer']['total-steps'] == '60'
    assert seen['config']['hidden-size'] == '32' and seen['config']['vocab-size'] == '258'
    assert seen['data']['path'] == path('book.txt') and digest('book.txt') in seen['data']['identity']


def test_json():
    result = train('json', *STEPS, '--json')
    seen = result.json()
    assert seen['folder'] == path('json') and seen['steps'] == 60 and seen['first_step'] == 0 and seen['stop'] == 'steps' and seen['unit'] == 'byte', seen
    assert abs(seen['bits'] - seen['loss'] / 0.6931471805599453) < 1e-6 and seen['best']['step'] in (20, 40, 60), seen
    assert 60 * 32 < seen['tokens'] <= 60 * 64 and seen['tokens_per_second'] > 0 and seen['seconds'] > 0 and seen['parameters'] > 10000, seen
    assert digest('json', 'model.safetensors') == digest('pipe', 'model.safetensors')


def test_quiet():
    result = train('quiet', '--steps', '2', '--quiet')
    assert result.out == b'' and result.err == b'', result


def test_terminal():
    for columns in (100, 40):
        name = 'terminal-%d' % columns
        result = run_on_terminal('train', name, '--data', 'book.txt', *TINY, *STEPS, columns=columns)
        assert result.status == 0 and b'\x1b' not in result.err, result
        parts = re.split('[\r\n]+', result.err.decode())
        live = [part for part in parts if LINE.match(part)]
        assert columns == 40 or any(re.search(r'left  [#.]{10,30} *$', part) for part in live), result
        assert all(len(part) < columns for part in parts if 'held out' not in part), parts
        assert len([part for part in parts if 'held out' in part]) == 3, parts
        assert parts[-1].strip() == '', 'the live line stays: %r' % parts
    assert b'reformer generate terminal-40' in result.out, result


def test_dumb_terminal():
    result = run_on_terminal('train', 'dumb', '--data', 'book.txt', *TINY, '--steps', '3', term='dumb')
    assert result.status == 0 and result.err.count(b'\r') == result.err.count(b'\r\n') and b'\x1b' not in result.err, result


def test_ten_a_second():
    begin = time.monotonic()
    result = run_on_terminal('train', 'often', '--data', 'book.txt', *TINY, '--steps', '300')
    assert result.status == 0, result
    assert len(LINE.findall(result.err.decode())) <= 10 * (time.monotonic() - begin) + 3, result


def test_signals():
    """Stopped by each signal, and gone on with: the weights are those of the run that nothing stopped."""
    whole = ['--steps', '200', '--held-out-fraction', '0.2', '--evaluation-interval', '50', '--learning-rate', '3e-3']
    train('whole', *whole, '--quiet')
    process = start('train', 'stopped', '--data', 'book.txt', *TINY, *whole)
    for i, (name, (number, status)) in enumerate(SIGNALS.items()):
        wait_for_step('stopped', 20 + 50 * i)
        process.send_signal(number)
        result = end(process)
        step = int(re.search(r'\nreformer: saved at step (\d+); go on with: reformer train stopped --resume\n$', result.err.decode()).group(1))
        assert result.status == status and 20 <= step < 200, (name, result)
        assert os.path.isdir(path('stopped/checkpoints/step-%d' % step))
        process = start('train', 'stopped', '--resume', '--json')
    seen = end(process).json()
    assert seen['first_step'] == step and seen['steps'] == 200 and seen['stop'] == 'steps', seen
    for file in ('model.safetensors', 'checkpoints/step-200/optimizer.safetensors', 'checkpoints/step-200/trainer.json', 'config.json'):
        assert digest('stopped', file) == digest('whole', file), file
    assert len(load('stopped', 'reformer-run.json')['starts']) == 4
    with open(path('stopped/log.jsonl'), encoding='utf-8') as file:
        steps = [line['step'] for line in map(json.loads, file) if line['event'] == 'step']
    assert steps == list(range(1, 201)), steps


def test_stopped_json():
    process = start('train', 'json-stopped', '--data', 'book.txt', *TINY, '--steps', '100000', '--json', '--quiet')
    wait_for_step('json-stopped', 5)
    process.send_signal(signal.SIGTERM)
    result = end(process)
    assert result.status == 143 and result.json()['stop'] == 'cancelled' and result.json()['steps'] >= 5, result


def test_second_signal():
    """Once more while it saves: it may end at once, and what is there is whole."""
    process = start('train', 'twice', '--data', 'book.txt', *TINY, '--steps', '100000', '--checkpoint-interval', '10')
    wait_for_step('twice', 12)
    process.send_signal(signal.SIGINT)
    time.sleep(0.15)
    process.send_signal(signal.SIGINT)
    assert end(process).status == 130
    assert fine('info', 'twice', '--json').json()['run']['step'] >= 10


def test_before_the_first_step():
    for i, (number, status) in enumerate(SIGNALS.values()):
        process = start('train', 'early', '--data', 'book.txt', *TINY, '--steps', '50')
        wait_for(lambda: catches(process.pid, number), 'handler')
        time.sleep(0.02 * i)
        process.send_signal(number)
        result = end(process)
        assert result.status == status, result
        if os.path.exists(path('early/checkpoints')):  # it was quick
            return
    train('early', '--steps', '2', '--quiet')


def test_reader_goes():
    """Nobody reads the progress any more: the training goes on."""
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run([TOOL, 'train', 'unread', '--data', 'book.txt', *TINY, '--steps', '5'], cwd=SCRATCH, stdout=subprocess.PIPE, stderr=writing, check=False)
    os.close(writing)
    assert process.returncode == 0 and b'reformer info unread' in process.stdout, process
    assert fine('info', 'unread', '--json').json()['run']['step'] == 5


def test_more_steps():
    train('more', '--steps', '5', '--decay', 'constant', '--quiet')
    seen = fine('train', 'more', '--resume', '--json', '--quiet')
    assert seen.json()['steps'] == seen.json()['first_step'] == 5
    message(seen, 'all 5 steps are made')
    message(run('train', 'more', '--resume', '--steps', '4'), '--steps is 4, and 5 steps are made')
    assert fine('train', 'more', '--resume', '--steps', '9', '--json').json()['steps'] == 9
    train('nine', '--steps', '9', '--decay', 'constant', '--quiet')
    assert digest('more', 'model.safetensors') == digest('nine', 'model.safetensors')


def test_learn_on():
    """From the weights of another model, and in place."""
    train('first', '--steps', '30', '--learning-rate', '3e-3', '--quiet')
    before = digest('first', 'model.safetensors')
    loss = fine('evaluate', 'first', '--data', 'book.txt', '--json').json()['loss']
    arguments = ['--data', 'book.txt', '--steps', '30', '--length', '64', '--learning-rate', '3e-3', '--quiet']
    fine('train', 'second', '--from', 'first', '--hidden-dropout-prob', '0.2', *arguments)
    assert digest('first', 'model.safetensors') == before
    assert load('second', 'config.json')['hidden_dropout_prob'] == 0.2
    assert load('second', 'reformer-run.json')['weights'] == path('first')
    assert fine('evaluate', 'second', '--data', 'book.txt', '--json').json()['loss'] < loss
    os.mkdir(path('third'))
    for name in ('config.json', 'model.safetensors'):
        os.link(path('first/' + name), path('third/' + name))
    fine('train', 'third', *arguments)
    assert digest('first', 'model.safetensors') == before != digest('third', 'model.safetensors')
    assert fine('evaluate', 'third', '--data', 'book.txt', '--json').json()['loss'] < loss


def test_checkpoints():
    """A tenth of the steps apart, after an evaluation where there are any; the folder of a run that saved nothing is free."""
    os.makedirs(path('saved/checkpoints'))
    open(path('saved/.reformer-lock'), 'w').close()
    train('saved', '--steps', '40', '--quiet')
    assert sorted(os.listdir(path('saved/checkpoints'))) == ['step-32', 'step-36', 'step-40'], os.listdir(path('saved/checkpoints'))
    train('best', '--steps', '40', '--evaluation-interval', '15', '--decay', 'constant', '--learning-rate', '3e-3', '--quiet')
    assert sorted(os.listdir(path('best/checkpoints'))) == ['best', 'step-15', 'step-30', 'step-40'], os.listdir(path('best/checkpoints'))
    train('last', '--steps', '40', '--checkpoint-interval', '0', '--quiet')
    assert os.listdir(path('last/checkpoints')) == ['step-40']
    assert digest('last', 'model.safetensors') == digest('saved', 'model.safetensors')
    fine('train', 'saved', '--resume', '--steps', '80', '--quiet')
    assert sorted(os.listdir(path('saved/checkpoints'))) == ['step-64', 'step-72', 'step-80'], os.listdir(path('saved/checkpoints'))


def test_damaged_checkpoint():
    """The newest one is damaged: that is said, and the one before is gone on from."""
    train('damaged', '--steps', '40', '--checkpoint-interval', '20', '--quiet')
    before = digest('damaged', 'model.safetensors')
    os.truncate(path('damaged/checkpoints/step-40/optimizer.safetensors'), 1000)
    result = fine('train', 'damaged', '--resume', '--json', '--quiet')
    message(result, 'warning: ', 'step-40')
    assert result.json()['first_step'] == 20 and digest('damaged', 'model.safetensors') == before, result


def test_keep():
    """What auto took is said at the end, and stays with the run; so does what was asked for."""
    layers = ['--attn-layers', 'local,local,local,local', '--axial-pos-shape', '64,64', '--length', '4096']
    arguments = ['--data', 'book.txt', *TINY, *layers, '--steps', '1', '--checkpoint-interval', '0']
    result = fine('train', 'keep', *arguments)
    assert re.search(rb'^keep +everything \(auto\)$', result.out, re.M), result
    assert re.search(rb'^  keep +everything \(auto\)$', fine('info', 'keep').out, re.M)
    seen = fine('info', 'keep', '--json').json()['run']
    assert seen['keep'] == 'everything' and seen['options']['keep'] == 'auto', seen
    # less memory than everything takes
    most, least = (fine('plan', 'keep', '--length', '4096', '--keep', keep, '--json').json()['total_bytes'] for keep in ('everything', 'nothing'))
    seen = fine('train', 'keep-less', *arguments, '--memory-limit', str((most + least) // 2), '--json', '--quiet').json()
    assert seen['keep'] in ('inputs', 'nothing') and seen['keep_option'] == 'auto', (seen, most, least)
    assert fine('train', 'keep-less', '--resume', '--steps', '2', '--json', '--quiet').json()['keep'] == seen['keep']
    # as it was told
    result = fine('train', 'keep-inputs', *arguments, '--keep', 'inputs')
    assert re.search(rb'^keep +inputs$', result.out, re.M) and re.search(rb'^  keep +inputs$', fine('info', 'keep-inputs').out, re.M), result
    seen = fine('train', 'keep-inputs', '--resume', '--json', '--quiet').json()
    assert seen['keep'] == seen['keep_option'] == 'inputs', seen


def test_seed():
    train('seed-7', '--steps', '1', '--seed', '7', '--quiet')
    train('seed-8', '--steps', '1', '--seed', '8', '--quiet')
    assert digest('seed-7', 'model.safetensors') != digest('seed-8', 'model.safetensors')


def test_optimizers():
    for name, option in (('sgd', ['--momentum', '0.9']), ('adafactor', ['--adafactor-decay', '-0.7']), ('adamw', ['--beta2', '0.98'])):
        train(name, '--steps', '3', '--optimizer', name, '--quiet', *option)
        seen = load(name, 'reformer-run.json')['optimizer']
        assert seen['name'] == name and seen['options'][option[0][2:].replace('adafactor-', '')] == option[1], seen


def test_positions():
    """A new model has room for its sequences; an option decides where it is given."""
    fine('train', 'long', '--data', 'book.txt', *TINY[:-4], '--length', '19000', '--steps', '1', '--quiet', '--attn-layers', 'local')
    a, b = load('long', 'config.json')['axial_pos_shape']
    assert a * b >= 19000, (a, b)


def test_odd_names():
    os.mkdir(path('odd'))
    text = write('odd/b\xf6k \'1\'.txt', b'to be or not to be, ' * 50)
    result = fine('train', 'odd/my model', '--data', text, *TINY, '--steps', '2', '--held-out-fraction', '0.2')
    assert b"reformer info 'odd/my model'" in result.out, result
    fine('evaluate', 'odd/my model', '--json').json()
    fine('train', 'odd/my model', '--resume', '--steps', '3', '--quiet')


need_device()
tap.run('tool/train', tap.collect(globals()))
