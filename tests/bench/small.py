#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Speed in a minute, by reformer bench, without other libraries: ratios that a loss of a third or so breaks and noise does not.

REFORMER_TOOL names the program. Nothing else should run beside it. Each figure is the best of its passes; where one is missed all are measured a second time, and the
better of the two counts. The marks are below what a quiet machine shows (docs/performance.md) by a margin for noise.
"""

import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'bindings'))
import tap  # noqa: E402

TOOL = os.environ.get('REFORMER_TOOL', 'reformer')
LENGTH, LONG = 4096, 32768

# 64 wide, 2 layers, 128 tokens: launches, not arithmetic, decide how long a step takes.
SMALL = {'model_type': 'reformer', 'is_decoder': True, 'vocab_size': 258, 'hidden_size': 64, 'num_attention_heads': 2, 'attention_head_size': 32, 'feed_forward_size': 256,
         'attn_layers': ['local', 'lsh'], 'local_attn_chunk_length': 32, 'lsh_attn_chunk_length': 32, 'axial_pos_shape': [8, 16], 'axial_pos_embds_dim': [16, 48]}

# Name of a figure: what is wanted of it at least.
MARKS = {
    'forward-share': 0.60,       # arithmetic needed / time / rate of the product; 0.65 is aimed at
    'training-share': 0.50,      # 0.60
    'attention-forward': 0.50,   # rate of the kernel / rate of the product; 0.70
    'attention-backward': 0.45,  # 0.65
    'flat': 0.75,                # tokens a second at 32,768 / at 4,096; 0.85 from 16,384 to a million
    'two-cores': 1.5,            # times one core; 1.85
    'small-step': 130,           # steps a second; 200, which is 5 ms
}


def bench(*arguments, **environment):
    command = [TOOL, 'bench', '--quiet', '--json', *arguments]
    result = subprocess.run(command, env=dict(os.environ, **environment), capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result
    return json.loads(result.stdout)


def rate_of(kernels, *names):
    """GFLOP/s of some kernels together."""
    found = [kernel for kernel in kernels if kernel['kernel'] in names]
    assert found, names
    return sum(kernel['operations'] for kernel in found) / sum(kernel['seconds'] for kernel in found) / 1e9


def shares():
    seen = bench('--lengths', str(LENGTH), '--modes', 'forward,train', '--keep', 'nothing', '--repeats', '4', '--profile')
    peak = seen['peak_gflops']['best']
    forward, train = seen['results']
    yield 'forward-share', forward['operations'] / forward['least_seconds'] / 1e9 / peak
    yield 'training-share', train['operations'] / train['least_seconds'] / 1e9 / peak
    yield 'attention-forward', rate_of(forward['profile'], 'attention_forward') / peak
    yield 'attention-backward', rate_of(train['profile'], 'attention_backward_chain', 'attention_backward_queries', 'attention_backward_keys') / peak


def best_speed(length, repeats, **environment):
    return length / bench('--lengths', str(length), '--modes', 'forward', '--repeats', str(repeats), **environment)['results'][0]['least_seconds']


def small_step():
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, 'config.json')
        with open(name, 'w', encoding='utf-8') as file:
            json.dump(SMALL, file)
        return 1 / bench(name, '--lengths', '128', '--modes', 'train', '--repeats', '200')['results'][0]['least_seconds']


def measure(cores):
    figures = dict(shares())
    figures['flat'] = best_speed(LONG, 3) / best_speed(LENGTH, 5)
    if cores >= 2:
        # turn and turn about, so that what else the machine does hits both
        speeds = {1: [], 2: []}
        for _ in range(2):
            for threads, seen in speeds.items():
                seen.append(best_speed(LENGTH, 3, POCL_MAX_PTHREAD_COUNT=str(threads)))
        figures['two-cores'] = max(speeds[2]) / max(speeds[1])
    figures['small-step'] = small_step()
    return figures


def main():
    listed = subprocess.run([TOOL, 'devices', '--json'], capture_output=True, text=True, timeout=60)
    device = next((device for device in json.loads(listed.stdout)['devices'] if device['default']), None) if listed.returncode == 0 else None
    if device is None or device['kernels'] != 'wide' or 'Portable' not in device['platform']:
        print('1..0 # SKIP the marks are for the wide kernels on PoCL')
        return
    figures = measure(device['compute_units'])
    if any(value < MARKS[name] for name, value in figures.items()):
        print('# first time: %s' % ', '.join('%s %.3g' % pair for pair in figures.items()))
        again = measure(device['compute_units'])
        figures = {name: max(value, again[name]) for name, value in figures.items()}

    def check(name, mark):
        def test():
            if name not in figures:
                raise tap.Skip('there is one core')
            print('# %s: %.3g, at least %.3g is wanted' % (name, figures[name], mark))
            assert figures[name] >= mark, '%s is %.3g, at least %.3g is wanted' % (name, figures[name], mark)
        return name, test
    tap.run('speed', [check(*mark) for mark in MARKS.items()])


if __name__ == '__main__':
    main()
