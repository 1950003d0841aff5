#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every block of code in README.md and docs/*.md. TAP.

usage: check-docs.py SOURCE BUILD PYTHON

sh      each line runs in the source folder; `-C build` is taken as BUILD; what installs and builds (tests/run.sh, meson setup, meson compile) is what brought us here
python  runs in an empty folder, in `meson devenv`
(none)  what the last line of the block before prints: each of its lines must be among the output's, whatever the spaces
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.M | re.S)
BROUGHT = ("tests/run.sh", "meson setup", "meson compile")


def run(command, folder):
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)


def run_lines(lines, source, build):
    output = ""
    for line in lines.splitlines():
        if not line.strip() or line.startswith("#") or line.startswith(BROUGHT):
            continue
        result = run(["sh", "-c", line.replace("-C build", "-C '%s'" % build)], source)
        output = result.stdout
        if result.returncode:
            return output, "'%s' ended with %d: %s" % (line, result.returncode, result.stdout)
    return output, None


def run_python(code, build, python):
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "block.py")
        with open(script, "w", encoding="utf-8") as file:
            file.write("import os\nos.chdir(%r)\n" % folder + code)
        result = run(["meson", "devenv", "-C", build, python, script], folder)
        return result.stdout, result.stdout if result.returncode else None


def missing_line(block, output):
    printed = [line.split() for line in output.splitlines()]
    return next(("'%s' is not in the output:\n%s" % (line, output) for line in block.splitlines() if line.split() not in printed), None)


def main(source, build, python):
    number = failed = 0
    for path in [os.path.join(source, "README.md")] + sorted(glob.glob(os.path.join(source, "docs", "*.md"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        output = ""
        for match in BLOCK.finditer(text):
            language, code = match.groups()
            if language == "sh":
                output, problem = run_lines(code, source, build)
            elif language == "python":
                output, problem = run_python(code, build, python)
            elif language == "":
                problem = missing_line(code, output)
            else:
                problem = "nobody runs blocks of %s" % language
            number += 1
            failed += problem is not None
            line = text.count("\n", 0, match.start()) + 1
            print("%sok %d /docs/%s:%d" % ("not " if problem else "", number, os.path.relpath(path, source), line))
            if problem:
                print("\n".join("# " + part for part in problem.splitlines()))
    print("1..%d" % number)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
