# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs examples/NAME.{c,py,js,vala}: all four of a name print the same, and leave no object behind. TAP.

What runs them comes from the environment; a language whose variable is empty or missing is skipped:

EXAMPLES_PROGRAMS  the folder that has the programs NAME, made of NAME.c, and NAME-vala, made of NAME.vala
EXAMPLES_VALA      not empty where NAME-vala are there
EXAMPLES_PYTHON    a Python that has PyGObject and NumPy
EXAMPLES_GJS       gjs
EXAMPLES_LIVE      live-objects.so, which counts the objects that are left when a program ends

The rest of the environment says where library, typelib and overrides are: in a build folder or below a prefix.
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = os.path.dirname(TESTS)
EXAMPLES = os.path.join(SOURCE, 'examples')
PROGRAMS = os.environ.get('EXAMPLES_PROGRAMS', '')
PYTHON = os.environ.get('EXAMPLES_PYTHON', '')
GJS = os.environ.get('EXAMPLES_GJS', '')
LIVE = os.environ.get('EXAMPLES_LIVE', '')

LANGUAGES = {
    'c': [os.path.join(PROGRAMS, '%s')] if PROGRAMS else None,
    'vala': [os.path.join(PROGRAMS, '%s-vala')] if PROGRAMS and os.environ.get('EXAMPLES_VALA') else None,
    'py': [PYTHON, os.path.join(EXAMPLES, '%s.py')] if PYTHON else None,
    'js': [GJS, '-m', os.path.join(EXAMPLES, '%s.js')] if GJS else None,
}

# The arguments, in a folder that has text.txt and bytes.txt (all below 38), and what the output must look like.
CASES = {
    'train-text': (['text.txt', '20', '%s'], r'step 20: [23456]\.\d{4} bits per byte\nheld-out text: [23456]\.\d{4} bits per byte\n'),
    'forecast': (['20'], r'mean squared error \d\.\d{6}\nthe next day:( -?\d\.\d{3}){24}\n'),
    'generate': (['c', 'The licence ', '20'], r'The licence [^\0]{15,}\n'),
    'load-checkpoint': ([os.path.join(TESTS, 'golden', 'mixed'), 'bytes.txt'], r'28712 parameters, 60 tokens\nloss [3456]\.\d{6}, \d\.\d{6} bits per byte\n'),
    'one-layer': (['256'], r'output [1-9]\.\d{9}\ngradient of the input 0\.0\d{8}\n(gradient of [a-z_.]+ \d+\.\d{9}\n){5}'),
    'own-dataset': (['20'], r'step 20: [234]\.\d{6} bits per level\n'),
    'own-layer': (['text.txt', '3'], r'before: [78]\.\d{6} bits per byte\nafter: [4567]\.\d{6} bits per byte\n(reformer\.encoder\.extra\.adapter\.[a-z.]+\n){6}'),
    'standard-transformer': (['200'], r'Transformer: 18914304 parameters\noutput \[1, 200, 512\], its first number -?\d\.\d{6}\n\d+\.\d\d seconds, peak of memory \d+\.\d MiB\n'
                                      r'Reformer: 17329152 parameters\noutput \[1, 200, 1024\], its first number -?\d\.\d{6}\n\d+\.\d\d seconds, peak of memory \d+\.\d MiB\n'),
}

# What a missing file is called by.
MISTAKES = {'train-text': ['nowhere.txt', '1', 'nothing'], 'generate': ['nowhere'], 'load-checkpoint': ['nowhere'], 'own-layer': ['nowhere.txt', '1']}

# The first program that a newcomer sees is this long at most, in lines of code; in C without what handles errors.
LIMITS = {'py': 15, 'js': 17, 'vala': 20, 'c': 30}


def run(name, language, arguments, folder, environment=os.environ, what='objects'):
    if LIVE:
        environment = {**environment, 'LD_PRELOAD': LIVE, 'LIVE_OBJECTS': os.path.join(folder, '%s.%s.%s' % (name, language, what))}
    command = [part.replace('%s', name) for part in LANGUAGES[language]] + [argument.replace('%s', language) for argument in arguments]
    try:
        return subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        return subprocess.CompletedProcess(command, 127, b'', str(e).encode())


def describe(result):
    return 'status %d\n%s\n%s' % (result.returncode, result.stdout.decode(errors='replace'), result.stderr.decode(errors='replace'))


def without_times(output):
    return re.sub(rb'\d+\.\d\d seconds', b'', output)


def check_same(name, language, result, first):
    if result.returncode != 0 or result.stderr:
        return describe(result)
    if not re.fullmatch(CASES[name][1], result.stdout.decode()):
        return 'wanted %s\n%s' % (CASES[name][1], describe(result))
    if without_times(result.stdout) != without_times(first.stdout):
        return 'wanted\n%s\n%s' % (first.stdout.decode(errors='replace'), describe(result))
    return None


def check_objects(path):
    if not os.path.exists(path):
        return 'the objects were not counted'
    with open(path, encoding='utf-8') as file:
        words = file.read().split()
    made = int(words[1])
    if made < 50:
        return 'only %d objects were made; are they counted?' % made
    left = sorted(words[i + 1] for i, word in enumerate(words) if word == 'left')
    return 'of %d objects are left: %s' % (made, ' '.join(left)) if left else None


# A program that keeps one object.
KEEPS = """
import ctypes, gi
gi.require_version('Reformer', '1.0')
from gi.repository import Reformer
configs = [Reformer.Config() for i in range(60)]
pointer = ctypes.pythonapi.PyCapsule_GetPointer
pointer.argtypes, pointer.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_void_p
ctypes.CDLL('libgobject-2.0.so.0').g_object_ref(ctypes.c_void_p(pointer(configs[7].__gpointer__, None)))
"""


def check_control(folder):
    path = os.path.join(folder, 'control.objects')
    result = subprocess.run([PYTHON, '-c', KEEPS], env={**os.environ, 'LD_PRELOAD': LIVE, 'LIVE_OBJECTS': path}, stderr=subprocess.PIPE, timeout=120, check=False)
    problem = check_objects(path) if result.returncode == 0 else result.stderr.decode()
    return None if problem == 'of 60 objects are left: ReformerConfig' else 'one object was kept, but: %s' % problem


def check_mistake(result):
    message = result.stderr.decode(errors='replace')
    if result.returncode == 0 or 'nowhere' not in message:
        return 'wanted a message that names the file\n' + describe(result)
    return None


def check_model(folder, language):
    for name in ['config.json', 'model.safetensors']:
        with open(os.path.join(folder, language, name), 'rb') as mine, open(os.path.join(folder, 'c', name), 'rb') as first:
            if mine.read() != first.read():
                return '%s is not that of the program in C' % name
    return None


def count_lines(text, language):
    if language == 'py':
        text = re.sub(r'""".*?"""', '', text, flags=re.S)
        text = re.sub(r'#.*$', '', text, flags=re.M)
    elif language == 'c':
        text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
        text = re.sub(r'^ *if \(\w+ == NULL\)\n *return FALSE;$', '', text, flags=re.M)
        text = re.sub(r'^ *(return FALSE;|g_autoptr \(GError\).*|g_printerr .*)$', '', text, flags=re.M)
    else:
        text = re.sub(r'^\s*//.*$', '', text, flags=re.M)
    return len([line for line in text.splitlines() if line.strip()])


def check_length(language):
    """Of the example, and of the program in getting started."""
    with open(os.path.join(EXAMPLES, 'train-text.' + language), encoding='utf-8') as file:
        programs = {'train-text': file.read()}
    with open(os.path.join(SOURCE, 'docs', 'getting-started.md'), encoding='utf-8') as file:
        shown = re.findall(r'^```\w+\n((?:# |// |/\* )train\.%s\b.*?)^```$' % language, file.read(), re.M | re.S)
    if len(shown) != 1:
        return 'getting-started.md has %d programs called train.%s; wanted 1' % (len(shown), language)
    programs['getting-started.md'] = shown[0]
    for name, text in programs.items():
        lines = count_lines(text, language)
        print('# %s, %s: %d lines of code' % (name, language, lines))
        if not 8 <= lines <= LIMITS[language]:
            return '%s: %d lines; wanted at most %d' % (name, lines, LIMITS[language])
    return None


def check_casts(name):
    with open(os.path.join(EXAMPLES, name + '.vala'), encoding='utf-8') as file:
        cast = re.search(r'\((Reformer\.\w+|[A-Z]\w+|float\[\]|uint8\[\])\) *[\w(]|\bas [A-Z]', file.read())
    return 'there is a cast: %s' % cast.group(0) if cast else None


def write_texts(folder):
    with open(os.path.join(SOURCE, 'COPYING'), encoding='utf-8') as source, open(os.path.join(folder, 'text.txt'), 'w', encoding='utf-8') as text:
        text.write(source.read()[:8000])
    with open(os.path.join(folder, 'bytes.txt'), 'wb') as text:
        text.write(bytes(i * i % 38 for i in range(60)))


class Report:
    def __init__(self):
        self.number = 0
        self.failed = 0

    def skip(self, name, reason):
        self.number += 1
        print('ok %d /examples/%s # SKIP %s' % (self.number, name, reason), flush=True)

    def tell(self, name, problem):
        self.number += 1
        if problem is not None:
            self.failed += 1
        print('%s %d /examples/%s' % ('not ok' if problem is not None else 'ok', self.number, name), flush=True)
        for line in (problem or '').splitlines():
            print('# ' + line)


def main():
    report = Report()
    found = [language for language, command in LANGUAGES.items() if command]
    lenient = {name: value for name, value in os.environ.items() if name != 'G_DEBUG'}  # GJS tells of an exception by a critical message
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        write_texts(folder)
        for language in LIMITS:
            report.tell('length/' + language, check_length(language))
        if LIVE and PYTHON:
            report.tell('objects', check_control(folder))
        # What one name makes, others read; what runs at the same time is in different languages.
        for name in ['train-text'] + [name for name in CASES if name != 'train-text']:
            jobs = {language: pool.submit(run, name, language, CASES[name][0], folder) for language in found}
            mistakes = {language: pool.submit(run, name, language, MISTAKES[name], folder, lenient, 'missing') for language in found if name in MISTAKES}
            first = jobs[found[0]].result() if found else None
            for language in LANGUAGES:
                if language not in found:
                    report.skip('%s/%s' % (name, language), 'not found when the build was configured')
                    continue
                problem = check_same(name, language, jobs[language].result(), first)
                if problem is None and name == 'train-text' and found[0] == 'c':
                    problem = check_model(folder, language)
                report.tell('%s/%s' % (name, language), problem)
                if LIVE and problem is None:
                    report.tell('%s/%s/objects' % (name, language), check_objects(os.path.join(folder, '%s.%s.objects' % (name, language))))
            for language, job in mistakes.items():
                report.tell('%s/%s/missing' % (name, language), check_mistake(job.result()))
            report.tell(name + '/casts', check_casts(name))
    print('1..%d' % report.number)
    sys.exit(1 if report.failed else 0)


main()
