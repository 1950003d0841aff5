#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Speed in a minute, by reformer bench, without other libraries: ratios that a loss of a third or so breaks and noise does not.

usage: small.py [--aims]

REFORMER_TOOL names the program. Nothing else should run beside it. Each figure is the best of its passes; where one is missed all are measured a second time, and the
better of the two counts. The marks are below what a quiet machine shows (docs/performance.md) by a margin for noise. With --aims they are what is aimed at, at four times the
lengths, which takes ten minutes.
"""

import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'bindings'))
import tap  # noqa: E402

TOOL = os.environ.get('REFORMER_TOOL', 'reformer')
AIMS = '--aims' in sys.argv[1:]
LENGTH, LONG = (16384, 65536) if AIMS else (4096, 16384)

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'libreformer', 'models', 'presets', 'bench-lsh.json'), encoding='utf-8') as preset:
    BENCH = json.load(preset)

# 64 wide, 2 layers, 128 tokens: launches, not arithmetic, decide how long a step takes.
SMALL = {'model_type': 'reformer', 'is_decoder': True, 'vocab_size': 258, 'hidden_size': 64, 'num_attention_heads': 2, 'attention_head_size': 32, 'feed_forward_size': 256,
         'attn_layers': ['local', 'lsh'], 'local_attn_chunk_length': 32, 'lsh_attn_chunk_length': 32, 'axial_pos_shape': [8, 16], 'axial_pos_embds_dim': [16, 48]}

# Name of a figure: what is wanted of it at least, and what is aimed at.
MARKS = {
    'forward-share': (0.60, 0.65),            # arithmetic needed / time / rate of the product
    'training-share': (0.50, 0.60),           # with nothing kept
    'training-share-everything': (0.50, 0.60),
    'products': (0.70, 0.85),                 # rate of the products of a training step / rate of the product
    'attention-forward': (0.50, 0.70),        # rate of the kernel / rate of the product
    'attention-backward': (0.45, 0.65),
    'full-attention-share': (0.45, 0.55),     # the same model with full attention in every layer
    'faster-than-full-attention': (1.4, 4),   # times, forward
    'flat-forward': (0.75, 0.85),             # tokens a second of the long sequence / of the shorter
    'flat-training': (0.75, 0.85),
    'two-cores-forward': (1.5, 1.85),         # times one core
    'two-cores-training': (1.5, 1.85),
    'small-step': (130, 200),                 # steps a second; 200 is 5 ms
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


def run(mode, length, repeats, *arguments, **environment):
    """The point itself, and the peak of its run."""
    seen = bench(*arguments, '--lengths', str(length), '--modes', mode, '--keep', 'nothing', '--repeats', str(repeats), **environment)
    return seen['results'][0], seen['peak_gflops']['best']


def share_of(point, peak):
    return point['operations'] / point['least_seconds'] / 1e9 / peak


def speed_of(mode, length, repeats, *arguments, **environment):
    return length / run(mode, length, repeats, *arguments, **environment)[0]['least_seconds']


def shares():
    forward, peak = run('forward', LENGTH, 4, '--profile')
    yield 'forward-share', share_of(forward, peak)
    yield 'attention-forward', rate_of(forward['profile'], 'attention_forward') / peak
    train, peak = run('train', LENGTH, 3, '--profile')
    yield 'training-share', share_of(train, peak)
    yield 'products', rate_of(train['profile'], 'product_rows', 'product_tokens') / peak
    yield 'attention-backward', rate_of(train['profile'], 'attention_backward_chain', 'attention_backward_queries', 'attention_backward_keys') / peak
    everything = bench('--lengths', str(LENGTH), '--modes', 'train', '--keep', 'everything', '--repeats', '3')
    yield 'training-share-everything', share_of(everything['results'][0], everything['peak_gflops']['best'])
    for mode, long_repeats in (('forward', 2), ('train', 1)):
        yield 'flat-' + ('forward' if mode == 'forward' else 'training'), speed_of(mode, LONG, long_repeats) / (LENGTH / (forward if mode == 'forward' else train)['least_seconds'])
    yield from beside_full(LENGTH / forward['least_seconds'])


def beside_full(speed):
    with tempfile.TemporaryDirectory() as folder:
        full, peak = run('forward', LENGTH, 3, write_config(folder, dict(BENCH, attn_layers=['full'] * 6)))
    yield 'full-attention-share', share_of(full, peak)
    yield 'faster-than-full-attention', speed / (LENGTH / full['least_seconds'])


def two_cores(mode, repeats):
    """Turn and turn about, so that what else the machine does hits both."""
    speeds = {1: [], 2: []}
    for _ in range(2):
        for threads, seen in speeds.items():
            seen.append(speed_of(mode, LENGTH, repeats, POCL_MAX_PTHREAD_COUNT=str(threads)))
    return max(speeds[2]) / max(speeds[1])


def write_config(folder, config):
    name = os.path.join(folder, 'config.json')
    with open(name, 'w', encoding='utf-8') as file:
        json.dump(config, file)
    return name


def small_step():
    with tempfile.TemporaryDirectory() as folder:
        return 1 / bench(write_config(folder, SMALL), '--lengths', '128', '--modes', 'train', '--repeats', '200')['results'][0]['least_seconds']


def measure(cores):
    figures = dict(shares())
    if cores >= 2:
        figures['two-cores-forward'] = two_cores('forward', 2)
        figures['two-cores-training'] = two_cores('train', 1)
    figures['small-step'] = small_step()
    return figures


def main():
    listed = subprocess.run([TOOL, 'devices', '--json'], capture_output=True, text=True, timeout=60)
    device = next((device for device in json.loads(listed.stdout)['devices'] if device['default']), None) if listed.returncode == 0 else None
    if device is None or device['kernels'] != 'wide' or 'Portable' not in device['platform']:
        print('1..0 # SKIP the marks are for the wide kernels on PoCL')
        return
    figures = measure(device['compute_units'])
    if any(value < MARKS[name][AIMS] for name, value in figures.items()):
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
    tap.run('speed', [check(name, marks[AIMS]) for name, marks in MARKS.items()])


if __name__ == '__main__':
    main()
