# SPDX-License-Identifier: LGPL-2.1-or-later
"""What this process holds: its memory, and the living objects of Reformer's classes (live-objects.c). Imported before the first is made."""

import contextlib
import gc
import os

with contextlib.suppress(FileNotFoundError):
    os.unlink(os.environ['LIVE_OBJECTS'])  # of an earlier run: it must not be taken for this one's


def resident():
    """KiB of the process that are in memory."""
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') // 1024


def live():
    gc.collect()
    with open(os.environ['LIVE_OBJECTS']) as file:
        return int(file.read().split()[3])
