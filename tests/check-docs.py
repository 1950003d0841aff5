#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every block of code in README.md and docs/*.md. TAP.

usage: check-docs.py SOURCE BUILD PYTHON [PAGE...]

Each page has a folder, empty but for a link to tests; its blocks run in it one after the other, with the library of BUILD as if it were installed.

python, js, vala, c  a program. A first line that is nothing but a comment with a file name is also the name it has in the folder
sh      line after line. Lines that begin with a word of HERE run in the page's folder, others in the source folder; there `-C build`, and `build/` at the
        beginning, is taken as BUILD. What installs and builds (BROUGHT) brought us here; tests/newcomer.py runs that
json    must be JSON
text    is not run
(none)  what the last line of the block before prints: each of its lines must be among the output's (shown.py)

No page has the same heading twice. That the README's blocks run is also a case of its own, under the name of the behaviour.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from shown import missing_line  # noqa: E402

BLOCK = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.M | re.S)
NAME = re.compile(r"(?:#|//|/\*) ([a-z0-9-]+\.(?:py|js|vala|c))(?: \*/)?\n")
BROUGHT = ("examples/demo.sh", "tests/run.sh", "meson setup", "meson compile", "meson install")
HERE = ("reformer", "timeout", "python3", "gjs", "valac", "cc", "./")
NEEDED = {"js": "gjs", "vala": "valac", "c": "cc"}
ENDINGS = {"python": "py"}


def run(command, folder, environment):
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)


def make_environment(build, python, folder):
    """That of `meson devenv`, with PYTHON as python3 and the vapi where valac looks."""
    listed = subprocess.run(["meson", "devenv", "-C", build, "env", "-0"], stdout=subprocess.PIPE, text=True, check=True).stdout
    environment = dict(entry.split("=", 1) for entry in listed.split("\0") if "=" in entry)
    programs, vapi = os.path.join(folder, "bin"), os.path.join(folder, "share", "vala", "vapi")
    os.makedirs(programs)
    os.makedirs(vapi)
    os.symlink(python, os.path.join(programs, "python3"))
    for path in glob.glob(os.path.join(build, "bindings", "*.vapi")) + glob.glob(os.path.join(build, "meson-private", "reformer-*.deps")):
        shutil.copy(path, vapi)
    environment["PATH"] = programs + ":" + environment["PATH"]
    environment["XDG_DATA_DIRS"] = os.path.join(folder, "share") + ":" + environment.get("XDG_DATA_DIRS", "/usr/local/share:/usr/share")
    return environment


def first_failure(commands, environment):
    """Runs (command, folder) one after the other: the last one's output, and what went wrong or None."""
    output = ""
    for command, folder in commands:
        result = run(command, folder, environment)
        output = result.stdout
        if result.returncode:
            return output, "'%s' ended with %d: %s" % (command[-1], result.returncode, output)
    return output, None


def run_lines(lines, source, build, folder, environment):
    commands = []
    for line in lines.splitlines():
        if not line.strip() or line.startswith("#") or line.startswith(BROUGHT):
            continue
        if line.startswith("./") or line.split()[0] in HERE:
            commands.append((["sh", "-c", line], folder))
        else:
            commands.append((["sh", "-c", re.sub(r"^build/", build + "/", line.replace("-C build", "-C '%s'" % build))], source))
    return first_failure(commands, environment)


def run_program(language, code, folder, environment):
    named = NAME.match(code)
    name = named.group(1) if named else "block." + ENDINGS.get(language, language)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(code)
    commands = {
        "python": [["python3", name]],
        "js": [["gjs", "-m", name]],
        "vala": [["valac", "--fatal-warnings", "--pkg", "reformer-1.0", "-X", "-w", "-o", "./block", name], ["./block"]],
        "c": [["sh", "-c", "cc -Wall -Werror %s -o block $(pkg-config --cflags --libs reformer-1.0)" % name], ["./block"]],
    }[language]
    return first_failure([(command, folder) for command in commands], environment)


def tools_of(language, code):
    """Programs without which a block is left out."""
    if language == "sh":
        return [line.split()[0] for line in code.splitlines() if line.startswith(("gjs ", "valac ", "cc "))]
    return [NEEDED[language]] if language in NEEDED else []


def check_json(code):
    try:
        json.loads(code)
    except ValueError as e:
        return str(e)
    return None


def repeated_heading(text):
    headings = re.findall(r"^#+ +(.*?) *$", BLOCK.sub("", text), re.M)
    twice = sorted({heading for heading in headings if headings.count(heading) > 1})
    return "more than once: " + "; ".join(twice) if twice else None


def check_page(path, source, build, environment):
    """Yields the line of each block, what went wrong or None, and why it was left out or None."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    yield 1, repeated_heading(text), None
    output, left_out = "", None
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(source, "tests"), os.path.join(folder, "tests"))
        for match in BLOCK.finditer(text):
            language, code = match.groups()
            problem = None
            if language not in ("", "text"):
                missing = [tool for tool in tools_of(language, code) if shutil.which(tool, path=environment["PATH"]) is None]
                left_out = "no " + missing[0] if missing else None
            if language == "sh" and not left_out:
                output, problem = run_lines(code, source, build, folder, environment)
            elif language == "json":
                problem = check_json(code)
            elif language == "" and not left_out:
                problem = missing_line(code, output)
            elif language in ("python", "js", "vala", "c") and not left_out:
                output, problem = run_program(language, code, folder, environment)
            elif language not in ("", "text", "sh", "python", "js", "vala", "c"):
                problem = "nobody runs blocks of %s" % language
            if language != "text":
                yield text.count("\n", 0, match.start()) + 1, problem, left_out


def main(source, build, python, pages):
    number = failed = 0
    pages = [os.path.join(source, page) for page in pages] or [os.path.join(source, "README.md")] + sorted(glob.glob(os.path.join(source, "docs", "*.md")))
    with tempfile.TemporaryDirectory() as folder:
        environment = make_environment(build, python, folder)
        for path in pages:
            before = failed
            for line, problem, left_out in check_page(path, source, build, environment):
                number += 1
                failed += problem is not None
                print("%sok %d /docs/%s:%d%s" % ("not " if problem else "", number, os.path.relpath(path, source), line, " # SKIP " + left_out if left_out else ""), flush=True)
                if problem:
                    print("\n".join("# " + part for part in problem.splitlines()))
            if os.path.basename(path) == "README.md":
                number += 1
                print("%sok %d %s" % ("not " if failed > before else "", number, "/behaviour/blocks-of-the-readme-run"), flush=True)
    print("1..%d" % number)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4], sys.argv[4:]))
