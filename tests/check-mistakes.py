#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every public function that has a GError is called wrongly in a C test, which looks at the error, and every public class is met.

usage: check-mistakes.py SOURCE
"""
import glob
import os
import re
import sys

FUNCTION = re.compile(r"\b(reformer_\w+)\s*\(([^;{}()]*?GError\s*\*\*\s*\w+)\s*\)\s*;")
CLASS = re.compile(r"G_DECLARE_\w+_TYPE \((Reformer\w+), (reformer_\w+), REFORMER, (\w+),")


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def main(source):
    headers = "".join(without_comments(open(path, encoding="utf-8").read()) for path in sorted(glob.glob(os.path.join(source, "libreformer", "*", "reformer-*.h"))))
    tests = "".join(without_comments(open(path, encoding="utf-8").read()) for path in sorted(glob.glob(os.path.join(source, "tests", "test-*.c"))))
    functions = sorted({match.group(1) for match in FUNCTION.finditer(headers)})
    classes = [match.groups() for match in CLASS.finditer(headers)]
    # a call that fails in MISUSE(), or one whose error is looked at right after it
    wrong = set(re.findall(r"MISUSE \(\W*(reformer_\w+) \(", tests))
    wrong |= {name for name in functions if re.search(name + r" \([^;]*;\s*(?:\w+ = )?assert_says \(", tests)}
    unmet = [name for name in functions if name not in wrong]
    unseen = [name for name, prefix, upper in classes if prefix + "_" not in tests and "REFORMER_TYPE_" + upper not in tests]
    print("1..2")
    for number, (what, total, missing) in enumerate((("functions", functions, unmet), ("classes", classes, unseen)), 1):
        print("# %d %s" % (len(total), what))
        for name in missing:
            print("# no misuse of", name)
        print("%s %d /mistakes/%s" % ("ok" if total and not missing else "not ok", number, what))
    return 1 if unmet or unseen or not functions or not classes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
