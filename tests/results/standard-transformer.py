#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/standard-transformer at its 2,000 positions, x batch 1 x 512: what it prints is checked, and made a table.

usage: standard-transformer.py [--repeats N] [--output FILE]     in `meson devenv -C build`, with nothing beside it

Of the seconds of N runs the least counts. The table goes to standard output, or between the marks "standard-transformer.py begins" and "ends" of FILE.
"""
import argparse
import re
import subprocess
import sys

POSITIONS = 2000
PROGRAM = "examples/standard-transformer"  # in the folder of the build, where `meson devenv` runs this
# name, parameters, width of the output
WANTED = [("Transformer", 18914304, 512), ("Reformer", 17329152, 1024)]
MODEL = re.compile(r"(\w+): (\d+) parameters\noutput (\[[\d, ]+\]), its first number -?\d+\.\d{6}\n(\d+\.\d\d) seconds, peak of memory (\d+\.\d) MiB\n")


def run():
    result = subprocess.run(["./" + PROGRAM], stdout=subprocess.PIPE, text=True, check=True)
    models = MODEL.findall(result.stdout)
    if "".join(match.group(0) for match in MODEL.finditer(result.stdout)) != result.stdout:
        sys.exit("%s printed something else:\n%s" % (PROGRAM, result.stdout))
    seen = [(name, int(parameters), shape) for name, parameters, shape, _, _ in models]
    wanted = [(name, parameters, "[1, %d, %d]" % (POSITIONS, width)) for name, parameters, width in WANTED]
    if seen != wanted:
        sys.exit("%s printed %s; wanted %s" % (PROGRAM, seen, wanted))
    return [(float(seconds), peak) for _, _, _, seconds, peak in models]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output")
    arguments = parser.parse_args()
    runs = [run() for _ in range(arguments.repeats)]
    lines = ["| model | parameters | output | seconds | peak MiB |", "|---|---|---|---|---|"]
    for i, (name, parameters, width) in enumerate(WANTED):
        lines.append("| %s | %s | 1 x %s x %s | %.2f | %s |" % (name, "{:,}".format(parameters), "{:,}".format(POSITIONS), "{:,}".format(width),
                                                               min(each[i][0] for each in runs), runs[0][i][1]))
    text = "\n".join(lines)
    if arguments.output is None:
        print(text)
        return
    with open(arguments.output, encoding="utf-8") as file:
        page = file.read()
    new, n = re.subn(r"(<!-- standard-transformer\.py begins -->\n).*?(\n<!-- standard-transformer\.py ends -->)", lambda match: match.group(1) + text + match.group(2), page, flags=re.S)
    if n != 1:
        sys.exit("%s has the marks %d times; wanted once" % (arguments.output, n))
    with open(arguments.output, "w", encoding="utf-8") as file:
        file.write(new)


main()
