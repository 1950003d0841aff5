#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Adds up what meson logged for every runtime: one line for each failure and skip, then the closing line.

usage: summary.py BUILD
"""
import glob
import json
import os
import re
import sys

RESULT = re.compile(r"^(ok|not ok) \d+ ?(\S*)(?:.*?# (SKIP|TODO)\s*(.*))?$")
# Nothing may warn so. G_DEBUG=fatal-criticals ends the process, but for the first time after LLVM was there: it catches the signal.
CRITICAL = re.compile(r"-CRITICAL \*\*")
WHOLE = re.compile(r"^1\.\.0 # SKIP\s*(.*)$", re.M)


def main(build):
    passed, failed, skipped, critical = 0, [], [], []
    for path in sorted(glob.glob(os.path.join(build, "meson-logs", "*.json")) + glob.glob(os.path.join(build, "sanitized", "meson-logs", "*.json"))):
        runtime = os.path.basename(path)[:-5]
        if not os.path.exists(os.path.join(build, "results", runtime + ".txt")):
            continue
        with open(path, encoding="utf-8") as log:
            tests = [json.loads(line) for line in log]
        for test in tests:
            name = runtime + " " + test["name"]
            critical += ["%s: %s" % (name, line) for line in (test.get("stdout") or "").splitlines() + (test.get("stderr") or "").splitlines() if CRITICAL.search(line)]
            lines = [RESULT.match(line) for line in (test.get("stdout") or "").splitlines()]
            lines = [match for match in lines if match]
            bad = [match.group(2) for match in lines if match.group(1) == "not ok" and not match.group(3)]
            whole = WHOLE.search(test.get("stdout") or "")
            if not lines and (test["result"] == "SKIP" or whole):
                skipped.append(name + ": " + (whole.group(1) if whole else "no reason given"))
                continue
            for match in lines:
                if match.group(3) == "SKIP":
                    skipped.append("%s %s: %s" % (name, match.group(2), match.group(4)))
                elif match.group(1) == "ok":
                    passed += 1
            failed += ["%s %s" % (name, what) for what in bad]
            if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and not bad:
                failed.append("%s: %s" % (name, test["result"]))
            elif not lines:
                passed += 1
        status = os.path.join(build, "results", runtime + ".status")
        if os.path.exists(status) and not any(line.startswith(runtime + " ") for line in failed):
            with open(status, encoding="utf-8") as file:
                failed.append("%s: meson ended with %s" % (runtime, file.read().strip()))
    failed += critical
    for kind, into in (("skipped", skipped), ("failed", failed)):
        path = os.path.join(build, "results", kind)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as lines:
                into += lines.read().splitlines()
    for line in skipped:
        print("skipped:", line)
    for line in failed:
        print("FAILED:", line)
    print("%d passed, %d failed, %d skipped" % (passed, len(failed), len(skipped)))
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
