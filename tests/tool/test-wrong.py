# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wrong command lines and bad input to train, evaluate and generate: one line that names the thing, the exit status, nothing on standard output, nothing lost."""

import json
import os
import shutil
import signal
import subprocess

from command import SCRATCH, TINY, TOOL, catches, digest, end, fine, load, message, need_device, path, run, start, tap, train, wait_for, wait_for_step, write

DATA = ['--data', 'book.txt']

# The command line behind `reformer`, the exit status, parts of the message.
LINES = [
    # train: usage
    (['train'], 2, ['MODEL is missing']),
    (['train', 'new'], 2, ['--data is missing']),
    (['train', 'new', 'other', *DATA], 2, ['"other" is one argument too many']),
    (['train', 'new', *DATA, '--steps', '0'], 2, ['--steps is "0"', 'from 1 to']),
    (['train', 'new', *DATA, '--total-steps', '0'], 2, ['--total-steps is "0"']),
    (['train', 'new', *DATA, '--steps', '-5'], 2, ['--steps is "-5"', 'a whole number from 1 to 4294967295']),
    (['train', 'new', *DATA, '--steps', '1e3'], 2, ['--steps is "1e3"']),
    (['train', 'new', *DATA, '--steps', '5', '--total-steps', '6'], 2, ['--steps and --total-steps are the same option']),
    (['train', 'new', *DATA, '--length', '1'], 2, ['--length is "1"', 'from 2 to 2147483647']),
    (['train', 'new', *DATA, '--batch-size', '0'], 2, ['--batch-size is "0"', 'from 1 to 65536']),
    (['train', 'new', *DATA, '--learning-rate', '-1'], 2, ['--learning-rate is "-1"', 'a number of at least 0']),
    (['train', 'new', *DATA, '--learning-rate', 'nan'], 2, ['--learning-rate is "nan"', 'a number of at least 0']),
    (['train', 'new', *DATA, '--learning-rate', 'inf'], 2, ['--learning-rate is "inf"']),
    (['train', 'new', *DATA, '--learning-rate', '1e999'], 2, ['--learning-rate is "1e999"']),
    (['train', 'new', *DATA, '--learning-rate', '0x10'], 2, ['--learning-rate is "0x10"']),
    (['train', 'new', *DATA, '--learning-rate', ''], 2, ['--learning-rate is ""']),
    (['train', 'new', *DATA, '--beta1', '1'], 2, ['--beta1 is "1"', 'from 0 to below 1']),
    (['train', 'new', *DATA, '--final-factor', '1.5'], 2, ['--final-factor is "1.5"', 'a number from 0 to 1']),
    (['train', 'new', *DATA, '--held-out-fraction', '1'], 2, ['--held-out-fraction is "1"', 'a number from 0 to']),
    (['train', 'new', *DATA, '--decay', 'fast'], 2, ['--decay is "fast"', 'constant, linear, cosine or inverse-sqrt is wanted']),
    (['train', 'new', *DATA, '--optimizer', 'lion'], 2, ['--optimizer is "lion"', 'adamw, sgd or adafactor is wanted']),
    (['train', 'new', *DATA, '--optimizer', 'sgd', '--beta1', '0.5'], 2, ['--beta1 is no option of sgd']),
    (['train', 'new', *DATA, '--momentum', '0.5'], 2, ['--momentum is no option of adamw']),
    (['train', 'new', *DATA, '--preset', 'huge'], 2, ['"huge"', 'bench-lsh, bench-mixed, crime-and-punishment, enwik8, small']),
    (['train', 'new', *DATA, '--preset', 'small', '--config', 'c.json'], 2, ['--preset and --config exclude each other']),
    (['train', 'new', *DATA, '--preset', 'small', '--from', 'model'], 2, ['--preset is for a new model, and model has one']),
    (['train', 'new', *DATA, '--attn-layers', 'local,fast'], 2, ['attn_layers', 'fast']),
    (['train', 'new', *DATA, '--hidden-size', '0'], 2, ['hidden_size is 0']),
    (['train', 'new', *DATA, '--hidden-size', 'many'], 2, ['--hidden-size is "many"']),
    (['train', 'new', *DATA, '--hidden-dropout-prob', '1'], 2, ['hidden_dropout_prob is 1']),
    (['train', 'new', *DATA, '--class-weights', '1,x'], 2, ['--class-weights is "1,x"', 'a list of numbers such as 1,2.5']),
    (['train', 'new', *DATA, '--axial-pos-shape', '8,,8'], 2, ['--axial-pos-shape is "8,,8"', 'a list of whole numbers such as 128,128']),
    (['train', 'new', *DATA, '--no-is-decoder'], 2, ['is_decoder']),
    (['train', 'new', *DATA, '--no-hidden-size'], 2, ['--no-hidden-size']),
    (['train', 'new', *DATA, '--shuffle=false'], 2, ['--shuffle takes no value; --no-shuffle turns it off']),
    (['train', 'new', *DATA, '--trainer-shuffle=false'], 2, ['--trainer-shuffle takes no value; --no-shuffle turns it off']),
    (['train', 'new', *DATA, '--no-is-decoder=no'], 2, ['--no-is-decoder takes no value; --is-decoder turns it on']),
    (['train', 'new', *DATA, '--json=false'], 2, ['--json takes no value; see']),
    (['train', 'new', *DATA, '--device', b'\xff'], 2, ['--device is "', 'is wanted']),
    (['train', 'new', *DATA, '--keep', 'all'], 2, ['--keep is "all"', 'auto, everything, inputs or nothing']),
    (['train', 'new', *DATA, '--seed', '-1'], 2, ['--seed is "-1"', 'from 0 to 18446744073709551615']),
    (['train', 'new', *DATA, '--memory-limit', 'much'], 2, ['--memory-limit is "much"']),
    (['train', 'new', *DATA, '--batch-size'], 2, ['--batch-size']),
    (['train', 'new', '--dance'], 2, ['--dance']),
    (['train', 'run', '--resume', *DATA], 2, ['--data cannot be given with --resume', '--steps']),
    (['train', 'run', '--resume', '--learning-rate', '1'], 2, ['--learning-rate cannot be given with --resume']),
    (['train', 'run', '--resume', '--steps', '1'], 2, ['--steps is 1, and 2 steps are made']),
    # train: data
    (['train', 'new', '--data', 'nowhere.txt'], 1, ['nowhere.txt', 'No such file']),
    (['train', 'new', '--data', 'folder'], 1, ['folder']),
    (['train', 'new', '--data', 'empty.txt'], 1, ['empty.txt', 'is empty']),
    (['train', 'new', '--data', 'one.txt'], 1, ['one.txt', '1 token']),
    (['train', 'new', '--data', 'fifo'], 1, ['fifo']),
    (['train', 'new', '--data', 'http://example.com/book.txt'], 1, ['not on a local file system']),
    (['train', 'new', '--data', 'short.txt', *TINY, '--held-out-fraction', '0.1', '--evaluation-interval', '1'], 1, ['held out', '1 token']),
    (['train', 'new', *DATA, *TINY, '--held-out-fraction', '0', '--evaluation-interval', '1'], 1, ['evaluation-interval is 1', 'holds nothing out']),
    (['train', 'new', *DATA, *TINY, '--patience', '3'], 1, ['patience is 3', 'evaluation-interval is 0']),
    (['train', 'new', *DATA, *TINY, '--final-steps', '3'], 1, ['final-steps is 3', 'final-sequence-length is 0']),
    # train: model and device
    (['train', 'new', *DATA, '--config', 'nowhere.json'], 1, ['nowhere.json']),
    (['train', 'new', *DATA, '--config', 'book.txt'], 1, ['book.txt']),
    (['train', 'new', *DATA, '--from', 'empty'], 1, ['config.json']),
    (['train', 'new', *DATA, '--from', 'cut', '--length', '64'], 1, ['model.safetensors']),
    (['train', 'new', *DATA, '--from', 'model', '--hidden-size', '64', '--length', '64'], 2, ['--hidden-size is 64, and the weights of ', '/model', 'have 32']),
    (['train', 'new', *DATA, '--from', 'model', '--attn-layers', 'lsh,local', '--length', '64'], 1, ['model.safetensors does not fit the configuration']),
    (['train', 'new', *DATA, '--from', 'model', '--length', '100000'], 1, ['sequence-length: 100000 tokens', 'has positions for 65536']),
    (['train', 'new', *DATA, *TINY, '--vocab-size', '200'], 1, ['258 ids', 'vocab_size is 200']),
    (['train', 'new', *DATA, *TINY, '--head', 'classification'], 1, ['book.txt: line 1', 'tab']),
    (['train', 'new', *DATA, *TINY, '--device', 'abacus'], 1, ['"abacus"']),
    (['train', 'new', *DATA, '--memory-limit', '64K'], 1, ['limit is 65536']),
    (['train', 'new', *DATA, *TINY, '--length', '4096', '--memory-limit', '4M'], 1, ['limit is 4194304; sequences of at most ', ' tokens fit']),
    (['train', 'new', *DATA, *TINY, '--memory-limit', '1500K'], 1, ['limit is 1536000; no length fits']),
    # train: folders
    (['train', 'book.txt', *DATA, *TINY], 1, ['book.txt', 'is a file, a folder is wanted']),
    (['train', 'full', *DATA, *TINY], 1, ['full', 'is not empty and not the folder of a run', 'letter.txt']),
    (['train', 'run', *DATA, *TINY], 1, ['run has a run already', '--resume']),
    (['train', 'run/checkpoints/step-2', *DATA], 1, ['run/checkpoints/step-2 is a checkpoint of the run in ', '/run; another folder is wanted', '--from']),
    (['train', 'run/checkpoints/new', *DATA, *TINY], 1, ['run/checkpoints/new is among the checkpoints of the run in ', 'another folder is wanted']),
    (['train', 'copied', *DATA], 1, ['copied is a checkpoint of a run']),
    (['train', '/proc/new', *DATA, *TINY], 1, ['/proc/new']),
    (['train', 'nowhere', '--resume'], 1, ['nowhere/reformer-run.json', 'No such file']),
    (['train', 'model', '--resume'], 1, ['model/reformer-run.json', 'No such file']),
    # evaluate
    (['evaluate'], 2, ['MODEL is missing']),
    (['evaluate', 'model'], 1, ['without --data', 'reformer-run.json']),
    (['evaluate', 'model', '--held-out-fraction', '0.5'], 2, ['--held-out-fraction is for --data']),
    (['evaluate', 'model', *DATA, '--length', '0'], 2, ['--length is "0"']),
    (['evaluate', 'model', *DATA, '--length', '100000'], 1, ['100000', '65536']),
    (['evaluate', 'model', *DATA, '--exact', '--num-hashes-evaluation', '2'], 2, ['--exact and --num-hashes-evaluation exclude each other']),
    (['evaluate', 'model', '--data', 'empty.txt'], 1, ['empty.txt', 'is empty']),
    (['evaluate', 'model', '--data', 'nowhere.txt'], 1, ['nowhere.txt']),
    (['evaluate', 'nowhere', *DATA], 1, ['nowhere']),
    (['evaluate', 'words', *DATA], 1, ['40 ids', 'does not name a tokenizer']),
    (['evaluate', 'book.txt', *DATA], 1, ['reformer: ', 'book.txt: is a file, the folder of a run is wanted']),
    (['train', 'book.txt', '--resume'], 1, ['book.txt: is a file, the folder of a run is wanted']),
    (['evaluate', 'broken', *DATA, '--quiet'], 1, ['the loss is not finite', 'broken']),
    (['evaluate', 'edited'], 1, ['/edited.txt is not what the run in ', '--data FILE evaluates it anyway']),
    (['evaluate', 'all', '--length', '64'], 1, ['held no data out', '--data is wanted']),
    # info
    (['info', 'model', '--attention'], 2, ['--attention needs --text FILE']),
    (['info', 'model', '--text', 'book.txt'], 2, ['are for --attention']),
    (['info', 'model', '--attention', '--text', 'book.txt', '--length', '0'], 2, ['--length is "0"', 'from 1']),
    (['info', 'model', '--attention', '--text', 'book.txt', '--queries', 'all'], 2, ['--queries is "all"']),
    (['info', 'model', '--attention', '--text', 'book.txt', '--length', '100000'], 1, ['--length is 100000', 'positions for 65536']),
    (['info', 'model', '--token', '3'], 2, ['--token', 'are for --attention']),
    (['info', 'model', '--attention', '--text', 'book.txt', '--keys', '3'], 2, ['--keys is for --token']),
    (['info', 'model', '--attention', '--text', 'book.txt', '--token', '-1'], 2, ['--token is "-1"', 'from 0']),
    (['info', 'model', '--attention', '--text', 'book.txt', '--token', '3', '--keys', 'few'], 2, ['--keys is "few"', 'from 0']),
    (['info', 'model', '--attention', '--text', 'book.txt', '--token', '50', '--length', '50'], 1, ['--token is 50', 'the first 50 tokens', '0 to 49 is wanted']),
    (['info', 'model', '--attention', '--text', 'nowhere.txt'], 1, ['nowhere.txt', 'No such file']),
    (['info', 'model', '--attention', '--text', 'empty.txt'], 1, ['empty.txt']),
    (['info', 'nowhere', '--attention', '--text', 'book.txt'], 1, ['nowhere']),
    (['info', 'words', '--attention', '--text', 'book.txt'], 1, ['40 ids', 'does not name a tokenizer']),
    # generate
    (['generate', 'model'], 2, ['--prompt is missing']),
    (['generate', 'model', '--prompt', 'a', '--max-tokens', '-1'], 2, ['--max-tokens is "-1"']),
    (['generate', 'model', '--prompt', 'a', '--temperature', '-1'], 2, ['--temperature is "-1"', 'a number of at least 0']),
    (['generate', 'model', '--prompt', 'a', '--top-p', '2'], 2, ['--top-p is "2"', 'to 1']),
    (['generate', 'model', '--prompt', 'a', '--stop', b'\xff'], 2, ['--stop is', 'a text in UTF-8 is wanted']),
    (['generate', 'model', '--prompt', 'a', '--top-p', '0'], 2, ['--top-p is "0"', 'a number above 0, up to 1 is wanted']),
    (['generate', 'small', '--prompt', 'x' * 65], 1, ['65', '64']),
    (['generate', 'nowhere', '--prompt', 'a'], 1, ['nowhere']),
    (['generate', 'words', '--prompt', 'a'], 1, ['40 ids', 'does not name a tokenizer']),
]


def prepare():
    write('empty.txt', b'')
    write('one.txt', b'x')
    write('short.txt', b'to be or not to be')
    os.mkfifo(path('fifo'))
    for name in ('folder', 'empty', 'full', 'cut', 'model'):
        os.mkdir(path(name))
    write('full/letter.txt', b'Dear Sir')
    train('run', '--steps', '2', '--quiet')
    train('all', '--steps', '1', '--held-out-fraction', '0', '--quiet')
    train('small', '--steps', '1', '--quiet', '--axial-pos-shape', '8,8')
    for name in ('config.json', 'model.safetensors'):
        shutil.copy(path('run/' + name), path('model/' + name))
        shutil.copy(path('run/' + name), path('cut/' + name))
    shutil.copytree(path('run/checkpoints/step-2'), path('copied'))
    shutil.copytree(path('model'), path('broken'))
    with open(path('broken/model.safetensors'), 'r+b') as file:
        begin = 8 + int.from_bytes(file.read(8), 'little')
        size = file.seek(0, os.SEEK_END) - begin
        file.seek(begin)
        file.write(b'\0\0\xc0\x7f' * (size // 4))
    write('edited.txt', b'to be or not to be, ' * 500)
    fine('train', 'edited', '--data', 'edited.txt', *TINY, '--steps', '1', '--quiet')
    write('edited.txt', b'to be or not to be! ' * 500)
    os.truncate(path('cut/model.safetensors'), 1000)
    shutil.copytree(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'golden', 'mixed'), path('words'))


def check(line, status, parts):
    result = run(*line)
    assert result.status == status and result.out == b'', result
    message(result, *parts)
    print('# ' + result.err.decode().strip())
    assert not os.path.exists(path('new')) or sorted(os.listdir(path('new'))) in ([], ['.reformer-lock', 'log.csv', 'log.jsonl', 'reformer-run.json']), os.listdir(path('new'))
    shutil.rmtree(path('new'), True)


def lines():
    for number, line in enumerate(LINES, 1):
        yield 'line-%d' % number, lambda line=line: check(*line)


def test_locked():
    """Another trainer has the folder: nothing of it is touched."""
    process = start('train', 'locked', *DATA, *TINY, '--steps', '100000', '--quiet')
    wait_for_step('locked', 3)
    before = digest('locked', 'reformer-run.json')
    message(run('train', 'locked', *DATA, *TINY, '--seed', '5'), 'locked', 'in use by another trainer')
    assert digest('locked', 'reformer-run.json') == before
    process.send_signal(signal.SIGTERM)
    assert end(process).status == 143
    process = start('train', 'locked', '--resume', '--quiet')
    wait_for_step('locked', load('locked', 'checkpoints/%s/trainer.json' % os.listdir(path('locked/checkpoints'))[0])['state']['step'] + 3)
    before = digest('locked', 'reformer-run.json')
    result = run('train', 'locked', '--resume')
    assert result.status == 1
    message(result, 'in use by another trainer')
    assert digest('locked', 'reformer-run.json') == before
    process.send_signal(signal.SIGTERM)
    assert end(process).status == 143


def change(name, **changes):
    """A copy of the run with another member in its file: a path of keys separated by __, and the value."""
    shutil.rmtree(path(name), True)
    shutil.copytree(path('run'), path(name), symlinks=True)
    seen = load(name, 'reformer-run.json')
    for key, value in changes.items():
        keys = key.replace('_', '-').replace('--', '__').split('__')
        place = seen
        for each in keys[:-1]:
            place = place[each]
        place[keys[-1]] = value
    write(name + '/reformer-run.json', json.dumps(seen).encode())


def test_run_file():
    for changes, parts in (({'format': 2}, ['"format" is 2']), ({'seed': 7}, ['"seed" is no text']), ({'keep': 'all'}, ['"keep" is "all"']),
                           ({'trainer': []}, ['"trainer" is no object']), ({'trainer__batch_size': '0'}, ['"batch-size" is "0"', 'from 1 to 65536']),
                           ({'trainer__shoes': '1'}, ['"shoes" is no setting of ReformerTrainer']), ({'optimizer__name': 'lion'}, ['no optimizer "lion"']),
                           ({'data__path': None}, ['"path" is no text']), ({'data__held_out_fraction': 'x'}, ['"held-out-fraction" is "x"']),
                           ({'data__path': path('nowhere.txt')}, ['nowhere.txt'])):
        change('changed', **changes)
        result = run('train', 'changed', '--resume', '--steps', '3')
        assert result.status == 1 and result.out == b'', (changes, result)
        message(result, *parts)
        print('# ' + result.err.decode().strip())
    for data in (b'', b'{', b'[1]', b'{}', b'\xff', b'[' * 100000):
        write('changed/reformer-run.json', data)
        result = run('train', 'changed', '--resume')
        assert result.status == 1, result
        message(result, 'changed/reformer-run.json')


def test_other_data():
    """The text has changed since: the checkpoint is not of it."""
    shutil.copy(path('book.txt'), path('copy.txt'))
    fine('train', 'data', '--data', 'copy.txt', *TINY, '--steps', '2', '--quiet')
    write('copy.txt', b'quite another text ' * 1000)
    result = run('train', 'data', '--resume', '--steps', '4')
    assert result.status == 1, result
    message(result, 'data')


def test_other_model():
    shutil.copytree(path('run'), path('swapped'), symlinks=True)
    shutil.rmtree(path('swapped/checkpoints'))
    shutil.copytree(path('small/checkpoints'), path('swapped/checkpoints'), symlinks=True)
    result = run('train', 'swapped', '--resume', '--steps', '4')
    assert result.status == 1, result
    message(result, 'swapped')


def test_checkpoint_untouched():
    """A run that was refused in a checkpoint left it as it was."""
    names = sorted(os.listdir(path('run/checkpoints/step-2')))
    assert run('train', 'run/checkpoints/step-2', *DATA).status == 1
    assert sorted(os.listdir(path('run/checkpoints/step-2'))) == names and not os.path.exists(path('run/checkpoints/new'))


def test_prompt():
    """A value that looks like an option is a value; what is too long for a prompt is not read to its end, nor before there is a model."""
    assert fine('generate', 'model', '--prompt', '--json=false', '--max-tokens', '1').out.startswith(b'--json=false')
    result = run('generate', 'model', '--prompt', '-', data=bytes((64 << 20) + 1))
    assert result.status == 1, result
    message(result, 'standard input', '64 MiB')
    process = start('generate', 'nowhere', '--prompt', '-', stdin=subprocess.PIPE)
    assert process.wait(60) == 1
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()
    process = start('generate', 'model', '--prompt', '-', stdin=subprocess.PIPE)
    wait_for(lambda: catches(process.pid, signal.SIGINT), 'handler')
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()


def test_closed_files():
    """What the caller closed is not taken by a data file."""
    for fd in range(3):
        process = start('train', 'closed-%d' % fd, *DATA, *TINY, '--steps', '2', preexec_fn=lambda fd=fd: os.close(fd))
        end(process)
        fine('evaluate', 'closed-%d' % fd, *DATA, '--quiet')
        with open(path('closed-%d/log.csv' % fd), encoding='ascii') as file:
            assert len(file.read().splitlines()) == 3


def test_help():
    """The defaults are the verb's own; what cannot be written is a failure."""
    text = fine('evaluate', '--help').out.decode()
    assert '(the longest of the run)' in text and '(all of it)' in text and '(0.1)' not in text, text
    assert b'130, 143, 129' in fine('--help').out
    with open('/dev/full', 'wb') as full:
        for line in (['--help'], ['train', '--help'], ['info', 'run']):
            result = subprocess.run([TOOL, *line], cwd=SCRATCH, stdout=full, stderr=subprocess.PIPE, check=False)
            assert result.returncode == 1 and result.stderr.startswith(b'reformer: standard output: ') and result.stderr.count(b'\n') == 1, (line, result)


def test_unsaved():
    """A run without a checkpoint knows how far it was to go."""
    shutil.copytree(path('run'), path('unsaved'), symlinks=True)
    shutil.rmtree(path('unsaved/checkpoints'))
    assert b'0 of 2 steps' in fine('info', 'unsaved').out


def test_no_device():
    os.mkdir(path('drivers'))
    for line in (['train', 'none', *DATA, *TINY], ['evaluate', 'model', *DATA], ['generate', 'model', '--prompt', 'a']):
        result = run(*line, env={'OCL_ICD_VENDORS': path('drivers'), 'REFORMER_DEVICE': None})
        assert result.status == 1 and result.out == b'', result
        message(result, 'pocl-opencl-icd')
    assert not os.path.exists(path('none'))


need_device()
prepare()
tap.run('tool/wrong', [*lines(), *tap.collect(globals())])
