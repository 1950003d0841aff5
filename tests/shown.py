# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a page shows below a block, beside what the block printed. For check-docs.py and newcomer.py."""
import re

RANGE = re.compile(r"(\d+)\.\.\.(\d+)")


def matches(shown, printed):
    """`...` is any word, and A...B a whole number between the two, which is neither of them."""
    limits = RANGE.fullmatch(shown)
    if limits:
        number = printed.replace(",", "")
        return number.isdecimal() and int(limits[1]) < int(number) < int(limits[2])
    return shown in ("...", printed)


def missing_line(block, output):
    """What is wrong, or None: each line of the block is among the output's, whatever the spaces."""
    printed = [line.split() for line in output.splitlines()]
    for line in block.splitlines():
        words = line.split()
        if not any(len(words) == len(other) and all(map(matches, words, other)) for other in printed):
            return "'%s' is not in the output:\n%s" % (line, output)
    return None
