# SPDX-License-Identifier: LGPL-2.1-or-later
"""The most memory that the whole process has, kernels' compiler included: the demo's model at 4,096 tokens."""

import resource

from command import fine, make_text, need_device, tap, write

LENGTH, MOST = 4096, 512  # tokens, MiB


def process_peak():
    """MiB of the largest process that was started so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def check_peak(what):
    print('# %s: the process had %.0f MiB at most' % (what, process_peak()))
    assert process_peak() <= MOST, '%s: %.0f MiB; wanted at most %d' % (what, process_peak(), MOST)


def test_trains():
    """As examples/demo.sh trains, with fewer steps."""
    seen = fine('train', 'demo', '--data', 'long.txt', '--preset', 'small', '--num-hashes', '1', '--steps', '5', '--length', '1024', '--final-sequence-length', str(LENGTH),
                '--final-steps', '3', '--learning-rate', '3e-3', '--warmup-steps', '2', '--decay', 'linear', '--quiet', '--json').json()
    assert seen['steps'] == 5 and seen['tokens'] == 2 * 1024 + 3 * LENGTH, seen
    check_peak('training')


def test_generates():
    """To the length at which it trained."""
    seen = fine('generate', 'demo', '--prompt', '-', '--max-tokens', '16', '--json', data=make_text(LENGTH - 16)).json()
    assert seen['tokens'] == 16 and len(seen['ids']) == 16, seen
    check_peak('generation')


need_device()
write('long.txt', make_text(20 * LENGTH))
tap.run('tool/memory', tap.collect(globals()))
