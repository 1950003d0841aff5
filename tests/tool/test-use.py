# SPDX-License-Identifier: LGPL-2.1-or-later
"""reformer evaluate, generate and info, on a model that reformer train made."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import time

from command import (SCRATCH, TOOL, catches, end, fine, load, make_text, message, need_device, path, run, run_on_terminal, start, tap, train, wait_for, write)


def test_evaluate():
    text = fine('evaluate', 'model')
    seen = fine('evaluate', 'model', '--json').json()
    assert ('%.4f' % seen['bits']).encode() in text.out and b'bits per byte' in text.out, text
    assert math.isclose(seen['bits'], seen['loss'] / math.log(2)) and math.isclose(seen['perplexity'], math.exp(seen['loss'])), seen
    assert seen['sequence_length'] == 64 and seen['unit'] == 'byte' and seen['held_out_fraction'] == 0.25, seen
    # the run's own figure of the same data and weights
    best = fine('info', 'model', '--json').json()['run']['best']
    assert best['step'] == 40 and math.isclose(best['loss'], seen['loss'], rel_tol=1e-9), (best, seen)
    assert fine('evaluate', 'model/checkpoints/best', '--json').json()['loss'] == seen['loss']


def test_evaluate_data():
    whole = fine('evaluate', 'model', '--data', 'book.txt', '--json').json()
    assert whole['targets'] == 20000 - whole['samples'], whole  # a sequence has one target less than tokens
    last = fine('evaluate', 'model', '--data', 'book.txt', '--held-out-fraction', '0.25', '--json').json()
    own = fine('evaluate', 'model', '--json').json()
    assert last['loss'] == own['loss'] and last['targets'] == own['targets'], (last, own)
    longer = fine('evaluate', 'model', '--data', 'book.txt', '--length', '128', '--batch-size', '4', '--json').json()
    assert longer['sequence_length'] == 128 and longer['samples'] == math.ceil(20000 / 128), longer
    write('noise', os.urandom(2000))
    assert fine('evaluate', 'model', '--data', 'noise', '--json').json()['bits'] > whole['bits'] + 2


def test_evaluate_exact():
    """LSH layers see everything; sequences no longer than a chunk they see anyway, and models without such layers have nothing to change."""
    arguments = ['evaluate', 'model', '--data', 'book.txt', '--held-out-fraction', '0.1']
    hashed, exact = fine(*arguments, '--json').json(), fine(*arguments, '--exact', '--json').json()
    assert exact['exact'] and not hashed['exact'] and exact['loss'] != hashed['loss'] and abs(exact['bits'] - hashed['bits']) < 0.5, (hashed, exact)
    short = [fine(*arguments, '--length', '16', *option, '--json').json()['loss'] for option in ([], ['--exact'])]
    assert math.isclose(*short, rel_tol=1e-6), short
    assert b'lsh attention      exact' in fine(*arguments, '--exact').out and b'exact' not in fine(*arguments).out
    train('no-lsh', '--attn-layers', 'local,full', '--steps', '1', '--quiet')
    plain, exact = fine(*arguments[:1], 'no-lsh', *arguments[2:], '--json').json(), fine(*arguments[:1], 'no-lsh', *arguments[2:], '--exact', '--json', '--quiet')
    message(exact, '--exact changes nothing: the model has no LSH layer')
    assert exact.json()['loss'] == plain['loss'] and not exact.json()['exact'], exact


def test_evaluate_progress():
    result = run_on_terminal('evaluate', 'model', '--data', 'book.txt', '--json')
    assert result.status == 0 and b'sequence 1/313' in result.err and b'\x1b' not in result.err and result.err.rstrip(b' ').endswith(b'\r'), result
    assert fine('evaluate', 'model', '--data', 'book.txt', '--json', '--quiet').err == b''


def test_evaluate_stopped():
    write('long.txt', make_text(3000000))
    process = start('evaluate', 'model', '--data', 'long.txt', '--quiet')
    wait_for(lambda: catches(process.pid, signal.SIGTERM), 'handler')
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    result = end(process)
    # where it meets clang, in the driver, at work, that may have a line of its own
    assert result.status == 143 and result.out == b'' and b'reformer' not in result.err, result


def test_generate():
    arguments = ['generate', 'model', '--prompt', 'The quick', '--max-tokens', '50']
    result = fine(*arguments, '--seed', '3')
    assert result.err == b'' and result.out.startswith(b'The quick') and len(result.out) == 9 + 50, result
    assert fine(*arguments, '--seed', '3').out == result.out != fine(*arguments, '--seed', '4').out
    assert fine(*arguments, '--seed', '3', '--no-echo').out == result.out[9:]
    seen = fine(*arguments, '--seed', '3', '--json').json()
    assert seen['prompt'] == 'The quick' and len(seen['ids']) == seen['tokens'] == 50 and seen['end'] == 'tokens' and seen['tokens_per_second'] > 0, seen
    assert bytes(i - 2 for i in seen['ids']) == result.out[9:]
    assert fine('generate', 'model', '--prompt', '-', '--max-tokens', '50', '--seed', '3', data=b'The quick').out == result.out
    assert fine('generate', 'model/checkpoints/best', *arguments[2:], '--seed', '3').out == result.out
    greedy = [fine(*arguments, '--temperature', '0', '--seed', seed).out for seed in '12']
    assert greedy[0] == greedy[1] == fine(*arguments, '--top-k', '1').out


def test_generate_stop():
    text = fine('generate', 'model', '--prompt', 'The ', '--max-tokens', '200', '--temperature', '0', '--no-echo').out.decode(errors='replace')
    stop = next(text[i:i + 4] for i in range(20, len(text)) if text[i:i + 4].isascii())
    seen = fine('generate', 'model', '--prompt', 'The ', '--max-tokens', '200', '--temperature', '0', '--stop', 'Zebra', '--stop', stop, '--json').json()
    assert seen['end'] == 'stop' and seen['text'] == text.split(stop)[0], (seen, text)


def test_generate_to_the_last_position():
    train('short', '--steps', '1', '--axial-pos-shape', '8,8', '--quiet')
    result = fine('generate', 'short', '--prompt', 'x' * 60)
    message(result, 'no positions for more')
    assert 60 < len(result.out) <= 65, result
    assert fine('generate', 'short', '--prompt', 'x' * 60, '--json').json()['end'] == 'positions'


def test_generate_bytes():
    """What is no UTF-8 goes in, and comes out."""
    result = fine('generate', 'model', '--prompt', b'caf\xe9 ', '--max-tokens', '3')
    assert result.out.startswith(b'caf\xe9 '), result
    assert fine('generate', 'model', '--prompt', b'caf\xe9 ', '--max-tokens', '3', '--json').json()['prompt'] == 'caf\ufffd '
    assert fine('generate', 'model', '--prompt', 'naïve ', '--max-tokens', '3', env={'LC_ALL': 'C'}).out.startswith('naïve '.encode())


def test_generate_as_it_is_made():
    """Bytes come before the end, and SIGINT ends it between two of them."""
    process = start('generate', 'model', '--prompt', 'The ', '--max-tokens', '10000')
    seen = b''
    while len(seen) < 20:
        seen += os.read(process.stdout.fileno(), 1)
    assert process.poll() is None
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    result = end(process)
    assert result.status == 130 and result.err == b'' and len(seen + result.out) < 10000, result
    assert time.monotonic() - begin < 5


def test_generate_output_fails():
    with open('/dev/full', 'wb') as full:
        result = subprocess.run([TOOL, 'generate', 'model', '--prompt', 'The '], cwd=SCRATCH, stdout=full, stderr=subprocess.PIPE, check=False)
    assert result.returncode == 1 and result.stderr.startswith(b'reformer: standard output: '), result


def test_info():
    text = fine('info', 'model').out.decode()
    for part in ('tokenizer          bytes', 'trained            40 of 40 steps', path('book.txt'), 'adamw, learning rate 0.003, cosine; sequences of 64; seed 5', 'at step 40'):
        assert part in text, '%r is not in %s' % (part, text)
    seen = fine('info', 'model', '--json').json()['run']
    assert seen['step'] == seen['total_steps'] == 40 and seen['options'] == load('model', 'reformer-run.json'), seen
    assert fine('info', 'model/checkpoints/step-20', '--json').json()['run']['step'] == 20
    os.mkdir(path('bare'))
    for name in ('config.json', 'model.safetensors'):
        os.link(path('model/' + name), path('bare/' + name))
    assert fine('info', 'bare', '--json').json()['run'] is None
    write('bare/reformer-run.json', b'{')
    result = fine('info', 'bare', '--json')
    message(result, 'warning', 'reformer-run.json')
    assert result.json()['run'] is None


def test_info_attention():
    lines = fine('info', 'model', '--attention', '--text', 'book.txt', '--length', '200', '--queries', '50').out.decode().splitlines()
    assert lines[0].endswith('book.txt, the first 200 tokens') and '50 tokens, drawn' in lines[1], lines
    assert lines[2].split() == ['layer', 'kind', 'head', 'rounds', 'buckets', 'largest', 'coverage', 'distance'], lines
    seen = fine('info', 'model', '--attention', '--text', 'book.txt', '--length', '200', '--queries', '0', '--json').json()
    assert seen['tokens'] == seen['queries'] == 200, seen
    config = load('model', 'config.json')
    assert [layer['kind'] for layer in seen['layers']] == config['attn_layers'], seen
    for layer in seen['layers']:
        assert len(layer['heads']) == config['num_attention_heads'], layer
        for head in layer['heads']:
            assert 0 < head['coverage'] <= 1 + 1e-12 and 0 <= head['distance'] < 200, head
            hashed = layer['kind'] == 'lsh'
            assert head['rounds'] == (config['num_hashes'] if hashed else 0) and (1 <= head['buckets'] and 1 <= head['largest'] <= 200 if hashed else head['largest'] == 0), head
    n_heads = sum(len(layer['heads']) for layer in seen['layers'])
    assert lines[3 + n_heads] == '' and lines[4 + n_heads].split() == ['layer', 'round', 'buckets', 'smallest', 'median', 'largest'], lines
    # a row for each round: the sizes of all heads together
    rounds = [line.split() for line in lines[5 + n_heads:]]
    for layer in seen['layers']:
        for number in range(layer['heads'][0]['rounds']):
            sizes = sorted(tokens for head in layer['heads'] for _, tokens in head['bucket_sizes'][number])
            row = [layer['name'], str(number), '%.1f' % (len(sizes) / len(layer['heads'])), str(sizes[0]), str(sizes[len(sizes) // 2]), str(sizes[-1])]
            assert rounds.pop(0) == row, (row, lines)
    assert not rounds, rounds


def test_info_token():
    """What a token attended to, and the buckets that it and all others fell into."""
    place, rounds = 150, load('model', 'config.json')['num_hashes']
    arguments = ['info', 'model', '--attention', '--text', 'book.txt', '--length', '200', '--token', str(place)]
    seen = fine(*arguments, '--keys', '0', '--json').json()
    text = make_text(200).decode()
    assert seen['token'] == {'place': place, 'id': ord(text[place]) + 2, 'text': text[place]}, seen['token']
    for layer in seen['layers']:
        for head in layer['heads']:
            hashed = layer['kind'] == 'lsh'
            weights = [key['weight'] for key in head['keys']]
            assert weights == sorted(weights, reverse=True) and math.isclose(sum(weights), 1, rel_tol=1e-9), weights
            for key in head['keys']:
                assert key['place'] <= place and key['text'] == text[key['place']] and 0 <= key['round'] < (rounds if hashed else 1), key
            assert len(head['bucket_sizes']) == len(head['token_buckets']) == (rounds if hashed else 0), head
            for sizes, bucket in zip(head['bucket_sizes'], head['token_buckets']):
                assert sizes == sorted(sizes) and sum(tokens for _, tokens in sizes) == 200 and bucket in [number for number, _ in sizes], (sizes, bucket)
            if hashed:
                assert head['largest'] == max(tokens for sizes in head['bucket_sizes'] for _, tokens in sizes), head
                assert math.isclose(head['buckets'], sum(map(len, head['bucket_sizes'])) / rounds), head
    lines = fine(*arguments, '--keys', '3').out.decode().splitlines()
    assert lines[1].split(maxsplit=1) == ['token', '%d, "%s"' % (place, text[place])], lines
    assert lines[2].split() == ['layer', 'kind', 'head', 'round', 'place', 'text', 'weight'], lines
    rows = iter(lines[3:])
    for layer in seen['layers']:
        for number, head in enumerate(layer['heads']):
            for key in head['keys'][:3]:
                cells = (layer['name'], layer['kind'], number, key['round'] if layer['kind'] == 'lsh' else '-', key['place'], json.dumps(key['text']), '%.4f' % key['weight'])
                assert re.fullmatch(' +'.join(re.escape(str(cell)) for cell in cells), next(rows)), (cells, lines)
    assert next(rows) == '' and next(rows).split(maxsplit=2) == ['layer', 'head', 'bucket of each round'], lines
    for layer in seen['layers']:
        for number, head in enumerate(layer['heads']):
            if head['token_buckets']:
                assert next(rows).split() == [layer['name'], str(number), *map(str, head['token_buckets'])], lines
    assert next(rows, None) is None, lines


def test_info_token_text():
    """A byte that is no character, and what a table cannot hold; no layer hashes so few tokens."""
    write('accents.txt', 'caf\u00e9 "x"\n'.encode())
    for place, text, table in ((3, '\ufffd', '"\\xc3"'), (6, '"', '"\\""'), (9, '\n', '"\\n"'), (5, ' ', '" "')):
        arguments = ['info', 'model', '--attention', '--text', 'accents.txt', '--token', str(place)]
        seen = fine(*arguments, '--json').json()
        assert seen['token']['text'] == text and seen['tokens'] == 10, seen
        assert all(head['bucket_sizes'] == head['token_buckets'] == [] for layer in seen['layers'] for head in layer['heads']), seen
        out = fine(*arguments).out.decode()
        assert '\ntoken              %d, %s\n' % (place, table) in out and 'bucket' not in out, out


def test_without_run():
    """A folder without what train writes: the tokenizer of bytes where the vocabulary is theirs."""
    os.unlink(path('bare/reformer-run.json'))
    assert fine('generate', 'bare', '--prompt', 'The ', '--max-tokens', '5').out.startswith(b'The ')
    assert fine('evaluate', 'bare', '--data', 'book.txt', '--json').json()['sequence_length'] == 1024
    message(run('evaluate', 'bare'), 'reformer-run.json')


def test_completion():
    if shutil.which('bash') is None:
        raise tap.Skip('no bash')
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'libreformer', 'tool', 'reformer.bash')
    for words, wanted in ((['gen'], ['generate']), (['train', 'book', '--checkpoints'], ['--checkpoints-kept']), (['devices', '-'], ['--help', '--json']), (['info', 'bo'], [])):
        line = 'source "$0" && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && _reformer && echo "${COMPREPLY[@]}"'
        seen = subprocess.run(['bash', '-c', line, script, TOOL, *words], stdout=subprocess.PIPE, check=True, text=True)
        assert seen.stdout.split() == wanted, (words, seen)


need_device()
train('model', '--steps', '40', '--held-out-fraction', '0.25', '--evaluation-interval', '20', '--checkpoint-interval', '20', '--learning-rate', '3e-3', '--seed', '5',
      '--quiet')
tap.run('tool/use', tap.collect(globals()))
