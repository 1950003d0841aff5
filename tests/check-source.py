# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tree promises about itself: who includes whom, what is installed, what is exported, how large files are.

    check-source.py SOURCE [--library FILE] [--gir FILE]      TAP
    check-source.py SOURCE --library FILE --update            writes tests/symbols.txt: what the library exports
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

# A folder includes from itself and from those before it.
FOLDERS = ['compute', 'kernels', 'ops', 'files', 'data', 'layers', 'models', 'training', 'generation', 'tool']
# TAP has a word for tests that may fail.
WITHOUT_WORDS = ('tests/check-source.py', 'tests/summary.py')
LARGEST = 40 * 1024
LARGE = 15 * 1024
WITH_LICENSE = ('.c', '.h', '.cl', '.in', '.py', '.js', '.vala', '.sh', '.xml', '.metadata', 'meson.build', 'meson_options.txt')
DATA = ('.safetensors', '.model', '.json', '.txt', '.svg', '.png')
SKIPPED_FOLDERS = ('__pycache__', '.git', 'build')

CORE = '{http://www.gtk.org/introspection/core/1.0}'
C = '{http://www.gtk.org/introspection/c/1.0}'
GLIB = '{http://www.gtk.org/introspection/glib/1.0}'


class Tree:
    def __init__(self, root):
        self.root = root
        self.paths = []
        for folder in ('bindings', 'docs', 'examples', 'libreformer', 'tests'):
            for where, folders, names in os.walk(os.path.join(root, folder)):
                folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
                self.paths += [os.path.relpath(os.path.join(where, name), root) for name in sorted(names) if not name.startswith('.')]
        self.paths += [name for name in ('README.md', 'meson.build', 'meson_options.txt') if os.path.exists(os.path.join(root, name))]
        self.texts = {}

    def read(self, path):
        if path not in self.texts:
            with open(os.path.join(self.root, path), encoding='utf-8') as file:
                self.texts[path] = file.read()
        return self.texts[path]

    def texts_of(self, *ends, under=''):
        for path in self.paths:
            if path.startswith(under) and path.endswith(ends):
                yield path, self.read(path)

    def list_of(self, name):
        """The strings of a list of files in libreformer/meson.build."""
        match = re.search(r'^%s = files\((.*?)^\)' % name, self.read('libreformer/meson.build'), re.M | re.S)
        return re.findall(r"'([^']+)'", match.group(1))


def lines_matching(text, pattern):
    for number, line in enumerate(text.splitlines(), 1):
        match = re.search(pattern, line)
        if match:
            yield number, match


def includes(tree):
    """folders include only from those above them"""
    for path, text in tree.texts_of('.c', '.h', under='libreformer/'):
        parts = path.split('/')
        if len(parts) < 3:
            continue
        own = parts[1]
        if own not in FOLDERS:
            yield f'{path}: the folder {own} has no place in the order'
            continue
        for number, match in lines_matching(text, r'^\s*#\s*include\s+(?:"|<libreformer/)([^">]+)[">]'):
            other = match.group(1).split('/')[0]
            if '/' not in match.group(1):
                # the umbrella is for users, and the tool is one
                beside = os.path.exists(os.path.join(tree.root, os.path.dirname(path), match.group(1)))
                if own != 'tool' or not (beside or match.group(1) == 'reformer.h'):
                    yield f'{path}:{number}: {match.group(1)}: wanted with its folder'
            elif other not in FOLDERS:
                yield f'{path}:{number}: the folder {other} has no place in the order'
            elif FOLDERS.index(other) > FOLDERS.index(own):
                yield f'{path}:{number}: {own} includes {match.group(1)}, but {other} comes after it'


def umbrella(tree):
    """reformer.h has every installed header and no other"""
    public = set(tree.list_of('public_headers')) | {'compute/reformer-version.h'}
    included = re.findall(r'#include <libreformer/([^>]+)>', tree.read('libreformer/reformer.h'))
    for header in sorted(public - set(included)):
        yield f'libreformer/reformer.h lacks {header}'
    for header in sorted(set(included) - public):
        yield f'libreformer/reformer.h has {header}, which is not installed'
    if included != sorted(set(included)):
        yield 'libreformer/reformer.h: not in order, or one twice'
    for header in sorted(public - {'compute/reformer-version.h'}):
        text = tree.read('libreformer/' + header)
        for number, match in lines_matching(text, r'#include\s+"'):
            yield f'libreformer/{header}:{number}: an installed header includes a private one'
        for number, match in lines_matching(text, r'#include\s+<libreformer/([^>]+)>'):
            if match.group(1) not in public:
                yield f'libreformer/{header}:{number}: {match.group(1)} is not installed'
    named = {path[len('libreformer/'):] for path, text in tree.texts_of('.h', under='libreformer/') if re.search(r'/reformer-[a-z-]+\.h$', path)}
    for header in sorted(named - public):
        yield f'libreformer/{header}: named as a public header, but not installed'


def listed(tree):
    """every source file is in a list of libreformer/meson.build"""
    known = set(tree.list_of('public_sources')) | set(tree.list_of('private_sources'))
    found = {path[len('libreformer/'):] for path, text in tree.texts_of('.c', under='libreformer/') if not path.startswith('libreformer/tool/')}
    for path in sorted(found - known):
        yield f'libreformer/{path}: not built'
    for path in sorted(known - found):
        yield f'libreformer/{path}: listed, but not there'


def licenses(tree):
    """every file says its license"""
    for path, text in tree.texts_of(*WITH_LICENSE):
        if 'SPDX-License-Identifier: LGPL-2.1-or-later' not in '\n'.join(text.splitlines()[:4]):
            yield f'{path}: no SPDX-License-Identifier in its first lines'


def sizes(tree):
    """no file is large"""
    for path in tree.paths:
        if path.endswith(DATA):
            continue
        size = os.path.getsize(os.path.join(tree.root, path))
        if size > LARGEST:
            yield f'{path}: {size} bytes; wanted at most {LARGEST}'
        elif size > LARGE:
            print(f'# {path}: {size} bytes')


def leftovers(tree):
    """nothing is left to be done"""
    for path in tree.paths:
        if path.endswith(DATA) or path in WITHOUT_WORDS:
            continue
        for number, match in lines_matching(tree.read(path), r'\b(TODO|FIXME|XXX)\b'):
            yield f'{path}:{number}: {match.group(1)}'


def opencl(tree):
    """OpenCL is called in compute/cl.c alone, and no installed header knows of it"""
    for header in tree.list_of('public_headers') + ['reformer.h']:
        for number, match in lines_matching(tree.read('libreformer/' + header), r'\b(cl_\w+|CL_\w+|CL/\w+|opencl\.h)'):
            yield f'libreformer/{header}:{number}: {match.group(1)}'
    for path, text in tree.texts_of('.c', '.h', under='libreformer/'):
        if path != 'libreformer/compute/cl.c':
            for number, match in lines_matching(text, r'\b(cl[A-Z][A-Za-z]+)\s*\('):
                yield f'{path}:{number}: {match.group(1)}'


def asserts(tree):
    """no file that is read can end the process"""
    for path, text in tree.texts_of('.c', '.h', under='libreformer/files/'):
        for number, match in lines_matching(text, r'\b(g_assert\w*|exit)\s*\('):
            yield f'{path}:{number}: {match.group(1)}'
    for path, text in tree.texts_of('.c', '.h', under='libreformer/'):
        for number, match in lines_matching(text, r'\b(g_error|abort)\s*\('):
            yield f'{path}:{number}: {match.group(1)}'


def kernels(tree):
    """every kernel file is a resource"""
    text = tree.read('libreformer/kernels/reformer-kernels.gresource.xml')
    named = re.findall(r'<file>([^<]+)</file>', text)
    found = [path[len('libreformer/kernels/'):] for path, text in tree.texts_of('.cl', under='libreformer/kernels/')]
    for path in sorted(set(found) - set(named)):
        yield f'libreformer/kernels/{path}: not in reformer-kernels.gresource.xml'
    for path in sorted(set(named) - set(found)):
        yield f'reformer-kernels.gresource.xml: {path} is not there'
    if named != sorted(set(named)):
        yield 'reformer-kernels.gresource.xml: not in order, or one twice'


def behaviours(tree):
    """each complaint in docs/testing.md has a test under the name of the behaviour, and each such test its complaint"""
    table = tree.read('docs/testing.md').split('## What stopped users of other Reformers')[1].split('\n## ')[0]
    rows = [line for line in table.splitlines() if line.startswith('| ') and not line.startswith('| complaint')]
    listed_names = {name for row in rows for name in re.findall(r'`(/behaviour/[a-z0-9-]+)`', row)}
    tests = {name for path, text in tree.texts_of('.c', '.py', under='tests/') for name in re.findall(r'"(/behaviour/[a-z0-9-]+)"', text)}
    for row in rows:
        if '`/behaviour/' not in row:
            yield f'docs/testing.md: no test under /behaviour/ in the row {row}'
    for name in sorted(listed_names - tests):
        yield f'docs/testing.md: no test is called {name}'
    for name in sorted(tests - listed_names):
        yield f'{name}: not in the table of docs/testing.md'
    if len(rows) != 20:
        yield f'docs/testing.md: {len(rows)} complaints; wanted twenty'


FLOATS = re.compile(r'(?<![\w.])(?:\d+\.\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|0[xX][\da-fA-F.]+[pP][-+]?\d+)(?![\w.])')
BEYOND_CORE = re.compile(r'\b(?:double\d*|\w+_double\w*|cl_khr_fp64|\w*sub_?groups?\w*)\b')


def without_comments(text):
    """With the same lines."""
    return re.sub(r'//[^\n]*|/\*.*?\*/', lambda match: '\n' * match.group().count('\n'), text, flags=re.S)


def precision(tree):
    """kernels have no double, no number that is one, and no sub-groups"""
    wrong = ('x = 1.0;', '2 * .5 + z', 'a - 1e-6', '0x1p-126', '3.', 'double4 x', 'as_double (x)', 'sub_group_reduce_add (x)', 'get_sub_group_size ()')
    right = ('x = 1.0f;', '.5f * v.s0 + w.x', '1e-6f', '0x1p-126f', '0x1e5', 'v.s01', 'a[3] - 1', 'x.lo.x')
    for line in wrong + right:
        if bool(FLOATS.search(line) or BEYOND_CORE.search(line)) != (line in wrong):
            yield f'tests/check-source.py: the rule is wrong about "{line}"'
    for path, text in tree.texts_of('.cl', under='libreformer/kernels/'):
        for pattern, wanted in ((FLOATS, 'an f behind it'), (BEYOND_CORE, 'core OpenCL 1.2 in single precision')):
            for number, match in lines_matching(without_comments(text), pattern):
                yield f'{path}:{number}: {match.group()}; wanted {wanted}'


# ---- What is exported ----


def exported(library):
    output = subprocess.run(['nm', '-D', '--defined-only', library], check=True, capture_output=True, text=True).stdout
    return sorted(line.split()[2].split('@')[0] for line in output.splitlines() if len(line.split()) == 3)


def declared(tree):
    """Functions that installed headers mark as available."""
    names = set()
    for header in tree.list_of('public_headers'):
        text = re.sub(r'/\*.*?\*/|^#.*?$', '', tree.read('libreformer/' + header), flags=re.S | re.M)
        for match in re.finditer(r'REFORMER_AVAILABLE_IN_(?!ALL\b)\w+\s+([^;{]*?)\b(\w+)\s*\(([^;]*?)\)', text):
            before, name, arguments = match.groups()
            if name.startswith('G_DECLARE_'):
                names.add(arguments.split(',')[1].strip() + '_get_type')
            else:
                names.add(name)
    return names


def in_gir(path):
    """The functions that a .gir lets languages call, those that it only knows, and those that give types."""
    root = xml.etree.ElementTree.parse(path).getroot()
    callable_, known, types = set(), set(), set()
    for element in root.iter():
        if element.tag in (CORE + 'function', CORE + 'method', CORE + 'constructor') and C + 'identifier' in element.attrib:
            (known if element.get('introspectable') == '0' else callable_).add(element.get(C + 'identifier'))
        if GLIB + 'get-type' in element.attrib:
            types.add(element.get(GLIB + 'get-type'))
    return callable_, known, types


def symbols(tree, library, gir):
    """what is exported is declared, introspectable and expected, and nothing else is"""
    names = exported(library)
    available = declared(tree)
    for name in sorted(set(names) - available):
        yield f'{name}: exported, but no installed header makes it available'
    for name in sorted(available - set(names)):
        yield f'{name}: declared, but not exported'
    if gir is not None:
        callable_, known, types = in_gir(gir)
        where = os.path.basename(gir)
        for name in sorted(set(names) - callable_ - known - types):
            yield f'{name}: exported, but not in {where}'
        for name in sorted(known):
            yield f'{name}: in {where} as what no language can call'
        for name in sorted((callable_ | known | types) - set(names)):
            yield f'{name}: in {where}, but not exported'
    path = os.path.join(tree.root, 'tests', 'symbols.txt')
    with open(path, encoding='utf-8') as file:
        expected = file.read().split()
    for name in sorted(set(names) - set(expected)):
        yield f'{name}: new; tests/symbols.txt lacks it (check-source.py --update writes it)'
    for name in sorted(set(expected) - set(names)):
        yield f'{name}: gone, or renamed; tests/symbols.txt has it'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('source')
    parser.add_argument('--library')
    parser.add_argument('--gir')
    parser.add_argument('--update', action='store_true')
    arguments = parser.parse_args()
    tree = Tree(arguments.source)

    if arguments.update:
        with open(os.path.join(tree.root, 'tests', 'symbols.txt'), 'w', encoding='utf-8') as file:
            file.write('\n'.join(exported(arguments.library)) + '\n')
        return 0

    checks = [(check, []) for check in (includes, umbrella, listed, licenses, sizes, leftovers, opencl, asserts, kernels, behaviours, precision)]
    if arguments.library is not None and shutil.which('nm') is not None:
        checks.append((symbols, [arguments.library, arguments.gir]))
    failed = False
    print(f'1..{len(checks)}')
    for number, (check, more) in enumerate(checks, 1):
        problems = list(check(tree, *more))
        for problem in problems:
            print(f'# {problem}')
        print(f'{"not ok" if problems else "ok"} {number} {check.__name__}: {check.__doc__}')
        failed = failed or bool(problems)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
