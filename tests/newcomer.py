#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ten tasks of somebody new, in a fresh clone, with nothing but what README.md and docs/ print. TAP: a test for each block.

usage: newcomer.py SOURCE PYTHON

The blocks of a section run in their order, all in the clone's folder and with one shell's variables, as somebody would who types them:

sh              in the shell; the first line that fails ends the block
python, js ...  with a comment that names a file first: saved under that name, for a command of a later block. Without: saved and run
(none)          each of its lines is among what the block before printed (shown.py); after a program that was saved, what the next command printed
text, json      are to be read
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), name) for name in ("bindings", "install")]

import tap  # noqa: E402, F401 (signals as a terminal has them)
from places import bare_environment  # noqa: E402
from shown import missing_line  # noqa: E402

TASKS = (
    ("install", "README.md", "Install"),
    ("train", "docs/getting-started.md", "A text"),
    ("train", "docs/getting-started.md", "With the command"),
    ("resume", "docs/training.md", "With the command"),
    ("checkpoint", "docs/coming-from-transformers.md", "A checkpoint of transformers"),
    ("sample", "docs/generation.md", ""),
    ("sample", "docs/generation.md", "With the command"),
    ("sample", "docs/generation.md", "Sampling"),
    ("layer", "docs/writing-a-layer.md", "Python"),
    ("gjs", "docs/getting-started.md", "JavaScript"),
    ("vala", "docs/getting-started.md", "Vala"),
    ("c", "docs/getting-started.md", "C"),
    ("plan", "docs/devices-and-memory.md", "What a model needs"),
)
# Without these the tasks are left out.
NEEDED = {"gjs": "gjs", "vala": "valac"}

LINE = re.compile(r"^(?P<fence>```(?P<language>[a-z]*)$)|^(?P<level>#+) (?P<title>.*)$")
NAME = re.compile(r"(?:#|//|/\*) ([a-z0-9-]+\.(?:py|js|vala|c))(?: \*/)?\n")
RUNS = {"python": "python3 block.py", "js": "gjs -m block.js"}
ENDINGS = {"python": "py"}


def read_section(path, title):
    """(line, language, code) of the blocks below a heading, with those of the headings below it; "": of those before the second heading."""
    blocks, inside, depth, block = [], title == "", 7, None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = LINE.match(line)
            if block is not None:
                if line == "```\n":
                    blocks += [block] if inside else []
                    block = None
                else:
                    block[2] += line
            elif match and match["fence"]:
                block = [number, match["language"], ""]
            elif match and title == "" and len(match["level"]) > 1:
                break
            elif match and match["title"] == title:
                inside, depth = True, len(match["level"])
            elif match and inside and len(match["level"]) <= depth and title:
                break
    return blocks


class Shell:
    """What is exported, and the folder, last from one block to the next."""

    def __init__(self, folder, environment):
        self.environment, self.folder = environment, folder
        self.state = os.path.join(environment["HOME"], "state")
        with open(self.state, "w", encoding="utf-8"):
            pass

    def run(self, code):
        script = ". \"$1\"\nset -e\ntrap 'echo \"the line that failed: $BASH_COMMAND\"' ERR\n%s\ntrap - ERR\nexport -p > \"$1\"\n" % code
        try:
            result = subprocess.run(["bash", "-c", script, "bash", self.state], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
        except subprocess.TimeoutExpired as e:
            return "", "it did not end within %d seconds" % e.timeout
        return result.stdout, "it ended with %d:\n%s" % (result.returncode, result.stdout[-3000:]) if result.returncode else None


def run_section(blocks, shell, folder):
    """Yields the line of each block and what went wrong or None."""
    output, saved, promised = "", False, []
    for line, language, code in blocks:
        problem = None
        if language == "sh":
            output, problem = shell.run(code)
            for promise in promised if problem is None else []:
                problem = problem or missing_line(promise, output)
            saved, promised = False, []
        elif language == "" and saved:
            promised.append(code)
        elif language == "":
            problem = missing_line(code, output)
        elif language not in ("text", "json"):
            named = NAME.match(code)
            with open(os.path.join(folder, named.group(1) if named else "block." + ENDINGS.get(language, language)), "w", encoding="utf-8") as file:
                file.write(code)
            saved = named is not None
            if not saved:
                output, problem = shell.run(RUNS[language])
        if language != "text":
            yield line, problem
    if promised:
        yield blocks[-1][0], "a program was saved whose output is shown, but no command that runs it"


class Report:
    def __init__(self):
        self.number = self.failed = 0

    def tell(self, name, problem=None, skip=None):
        self.number += 1
        self.failed += problem is not None
        print("%sok %d /newcomer/%s%s" % ("not " if problem is not None else "", self.number, name, " # SKIP " + skip if skip else ""), flush=True)
        print("".join("# %s\n" % line for line in (problem or "").splitlines()), end="", flush=True)


def make_environment(home, python):
    """`python3` is the one that has PyGObject and NumPy; the caches of kernels are those of the other tests."""
    environment = bare_environment()
    os.makedirs(os.path.join(home, "bin"))
    os.symlink(python, os.path.join(home, "bin", "python3"))
    environment.update(HOME=home, PATH=os.path.join(home, "bin") + ":" + environment["PATH"])
    return environment


def run_tasks(clone, environment, report):
    shell = Shell(clone, environment)
    for task, page, title in TASKS:
        missing = NEEDED.get(task)
        if missing and shutil.which(missing, path=environment["PATH"]) is None:
            report.tell("%s/%s" % (task, page), skip="no " + missing)
            continue
        blocks = read_section(os.path.join(clone, page), title)
        if not any(language not in ("", "text") for _, language, _ in blocks):
            report.tell("%s/%s" % (task, page), "there is no section '%s' with a block that runs" % title)
        for line, problem in run_section(blocks, shell, clone):
            report.tell("%s/%s:%d" % (task, page, line), problem)
            if problem and task == "install":
                return
            if problem:
                break


def main(source, python):
    if not os.path.exists(os.path.join(source, ".git")) or shutil.which("git") is None:
        print("1..0 # SKIP the source is no clone of git")
        return 0
    report = Report()
    with tempfile.TemporaryDirectory() as home:
        clone = os.path.join(home, "libreformer")
        subprocess.run(["git", "clone", "-q", source, clone], stdin=subprocess.DEVNULL, check=True)
        run_tasks(clone, make_environment(home, python), report)
        changed = subprocess.run(["git", "-C", clone, "status", "--porcelain", "--untracked-files=no"], stdout=subprocess.PIPE, text=True, check=True).stdout
        report.tell("clone", "files of the clone were changed:\n" + changed if changed else None)
    print("1..%d" % report.number)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
