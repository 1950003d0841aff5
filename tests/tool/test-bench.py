# SPDX-License-Identifier: LGPL-2.1-or-later
"""reformer bench: what it prints, as a table and as JSON, what it refuses, how it ends. Times themselves are in tests/bench/small.py."""

import json
import math
import os
import signal
import time

from command import catches, end, fine, message, need_device, path, run, run_on_terminal, start, tap, wait_for

SMALL = ['bench', '--preset', 'small', '--quiet']
NAMES = {'mode', 'length', 'rows', 'seconds', 'median_seconds', 'least_seconds', 'most_seconds', 'tokens_per_second', 'operations', 'gflops', 'share', 'keep', 'planned_bytes',
         'account_peak_bytes', 'process_peak_bytes', 'prompt_seconds'}


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-9)


def test_json():
    seen = fine(*SMALL, '--lengths', '300,64', '--repeats', '3', '--keep', 'nothing', '--rows', '2', '--json').json()
    peak = seen['peak_gflops']
    assert seen['complete'] is True and seen['model'] == 'small' and seen['repeats'] == 3 and seen['warm_up'] == 1, seen
    assert peak['best'] == max(peak['before'], peak['after']) > min(peak['before'], peak['after']) > 0, peak
    assert seen['device']['kernels'] in ('wide', 'simt') and seen['device']['compute_units'] > 0, seen
    assert [(r['length'], r['mode']) for r in seen['results']] == [(n, mode) for n in (300, 64) for mode in ('forward', 'train', 'generate')], seen
    for r in seen['results']:
        assert set(r) == NAMES and len(r['seconds']) == 3 and r['rows'] == 2, r
        assert r['least_seconds'] == min(r['seconds']) and r['most_seconds'] == max(r['seconds']) and r['median_seconds'] == sorted(r['seconds'])[1], r
        tokens = 2 * (1 if r['mode'] == 'generate' else r['length'])
        assert close(r['tokens_per_second'], tokens / r['median_seconds']) and close(r['gflops'], r['operations'] / r['median_seconds'] / 1e9), r
        assert close(r['share'], r['gflops'] / peak['best']) and r['process_peak_bytes'] > r['account_peak_bytes'] > 0, r
        assert (r['keep'] is not None) == (r['mode'] == 'train') and r['keep'] in (None, 'nothing') and (r['prompt_seconds'] is not None) == (r['mode'] == 'generate'), r
    forward, train, _ = seen['results'][:3]
    assert forward['planned_bytes'] == forward['account_peak_bytes'], forward
    assert 3 * forward['operations'] < train['operations'] < 4.5 * forward['operations'], (forward, train)


def test_memory():
    """A point leaves nothing behind: the plans of the points after it are exact too."""
    seen = fine(*SMALL, '--lengths', '64,64,128', '--modes', 'train,generate,forward', '--repeats', '1', '--json').json()['results']
    for r in seen:
        assert r['planned_bytes'] == r['account_peak_bytes'], r
    # one token is enough before those that are timed
    r = fine(*SMALL, '--lengths', '128', '--modes', 'generate', '--repeats', '126', '--json').json()['results'][0]
    assert r['planned_bytes'] == r['account_peak_bytes'], r


def test_text():
    result = fine(*SMALL, '--lengths', '128', '--repeats', '2')
    lines = result.out.decode().split('\n')
    assert result.err == b'' and lines[0].split() == ['model', 'small'] and lines[1].startswith('device ') and 'GFLOP/s' in lines[2] and 'before' in lines[2], result
    heading = next(i for i, line in enumerate(lines) if line.startswith('mode '))
    columns = lines[heading].split()
    assert columns == ['mode', 'tokens', 'keep', 'ms', 'least', 'most', 'tokens/s', 'GFLOP/s', 'share', 'memory', 'process'], columns
    rows = lines[heading + 1:heading + 4]
    assert [row.split()[:3] for row in rows] == [['forward', '128', '-'], ['train', '128', 'everything'], ['generate', '128', '-']], result
    assert len({len(row) for row in rows}) == 1 and lines[heading + 4].startswith('generate: the first 125 tokens took '), result


def test_progress():
    result = run_on_terminal('bench', '--preset', 'small', '--lengths', '512', '--modes', 'train', '--repeats', '40', '--json')
    assert result.status == 0 and b'train, 512 tokens: ' in result.err and b' of 41' in result.err and b'\x1b' not in result.err and result.err.rstrip(b' ').endswith(b'\r'), result


def test_profile():
    arguments = [*SMALL, '--lengths', '256', '--modes', 'forward', '--repeats', '2', '--warm-up', '0', '--profile']
    point = fine(*arguments, '--json').json()['results'][0]
    kernels = point['profile']
    assert [k['seconds'] for k in kernels] == sorted((k['seconds'] for k in kernels), reverse=True), kernels
    assert close(sum(k['share_of_time'] for k in kernels), 1) and all(k['launches'] > 0 for k in kernels), kernels
    # what the launches say that they do is what the configuration needs
    assert close(sum(k['operations'] for k in kernels), 2 * point['operations']), (point, kernels)
    product = next(k for k in kernels if k['kernel'] == 'product_rows')
    assert close(product['gflops'], product['operations'] / product['seconds'] / 1e9) and close(product['gbytes_per_second'], product['bytes'] / product['seconds'] / 1e9) > 0, product
    text = fine(*arguments).out.decode()
    assert 'forward, 256 tokens: kernels of 2 passes' in text and '\nkernel ' in text and '\nproduct_rows ' in text, text


def test_model():
    """The configuration of a folder; positions are made for the length."""
    os.makedirs(path('bench-model'))
    config = {'model_type': 'reformer', 'is_decoder': True, 'vocab_size': 40, 'hidden_size': 32, 'num_attention_heads': 2, 'attention_head_size': 16, 'feed_forward_size': 64,
              'attn_layers': ['local', 'lsh'], 'local_attn_chunk_length': 16, 'lsh_attn_chunk_length': 16, 'axial_pos_shape': [4, 4], 'axial_pos_embds_dim': [8, 24]}
    with open(path('bench-model/config.json'), 'w', encoding='utf-8') as file:
        json.dump(config, file)
    for name in ('bench-model', 'bench-model/config.json'):
        seen = fine('bench', name, '--quiet', '--lengths', '640', '--modes', 'forward', '--repeats', '1', '--json').json()
        assert seen['model'] == name and seen['results'][0]['length'] == 640, seen
    # a generated token is the last: of one chunk it sees all, of several its own and the one before; 640 positions make 8 x 8 buckets
    products = 2 * (32 * 4 * 32 + 32 * 3 * 32 + 2 * 2 * 32 * 64) + 2 * 64 * 40
    seen = fine('bench', 'bench-model', '--quiet', '--lengths', '2,16,17,640', '--modes', 'generate', '--repeats', '1', '--warm-up', '0', '--json').json()
    for point, keys, buckets in zip(seen['results'], (2, 16, 32, 32), (0, 0, 2, 8 + 8)):
        assert point['operations'] == products + 4 * 32 * 2 * keys + 2 * 32 * buckets // 2, point
    config['axial_pos_embds_dim'] = [8, 25]
    with open(path('bench-model/config.json'), 'w', encoding='utf-8') as file:
        json.dump(config, file)
    message(run('bench', 'bench-model', '--quiet'), 'axial_pos_embds_dim')


def test_too_long():
    for mode, limit in (('forward', '60M'), ('train', '200M'), ('generate', '60M')):
        arguments = ['bench', '--quiet', '--modes', mode, '--memory-limit', limit, '--lengths']
        result = run(*arguments, '16,16384')  # nothing is measured before all are planned
        assert result.status == 1 and result.out == b'', result
        message(result, '%s with 1 x 16384 tokens needs ' % mode, 'the limit is %s.0 MiB' % limit[:-1], 'the longest that fits is ')
        longest = int(result.err.split()[-2])
        assert 1024 < longest < 16384, result
    message(run('bench', '--quiet', '--memory-limit', '1M'), 'no length fits')


def test_wrong():
    for arguments, said in ((['--lengths', '1024,x'], ['--lengths is "x"', 'whole number from 2']), (['--lengths', ''], ['--lengths is empty']), (['--lengths', '40,,80'], ['--lengths is ""']),
                            (['--modes', 'forward,sleep'], ['--modes has "sleep"', 'generate']), (['--modes', ''], ['--modes is empty']), (['--keep', 'all'], ['--keep is "all"']),
                            (['--rows', '0'], ['--rows is "0"']), (['--repeats', '0'], ['--repeats is "0"']), (['--warm-up', '-1'], ['--warm-up is "-1"']),
                            (['--lengths', '64', '--repeats', '63'], ['--lengths has 64', 'more than the 64 tokens']),
                            (['--lengths', '1024', '--modes', 'train,generate', '--repeats', '10000', '--warm-up', '0'], ['--lengths has 1024', '10000 tokens']),
                            (['--memory-limit', 'much'], ['--memory-limit is "much"']), (['model', '--preset', 'small'], ['MODEL and --preset']), (['a', 'b'], ['"b"']), (['--fast'], ['--fast'])):
        result = run('bench', *arguments)
        assert result.status == 2 and result.out == b'', (arguments, result)
        message(result, 'bench', *said)
    for arguments, said in ((['--preset', 'none'], ['"none"', 'bench-lsh']), (['nowhere'], ['nowhere']), (['--device', 'abacus'], ['abacus']),
                            ([*SMALL[1:], '--rows', '65537', '--lengths', '16', '--modes', 'train'], ['batch-size', '65537', '65536'])):
        result = run('bench', *arguments)
        assert result.status == 1 and result.out == b'', (arguments, result)
        message(result, *said)


def test_stopped():
    """What has been measured is printed at once, in the middle of a pass."""
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = start(*SMALL, '--lengths', '64,65536', '--modes', 'train', '--warm-up', '0', '--repeats', '2', '--json')
        wait_for(lambda: catches(process.pid, number), 'handler')
        time.sleep(1.5)
        process.send_signal(number)
        before = time.monotonic()
        result = end(process)
        assert result.status == status and result.err == b'' and time.monotonic() - before < 2, result
        seen = result.json()
        assert seen['complete'] is False and len(seen['results']) < 2, seen


need_device()
tap.run('tool/bench', tap.collect(globals()))
