# SPDX-License-Identifier: LGPL-2.1-or-later
"""Installs into a prefix and works from there: files, the command, the examples in four languages, the override for Python.

usage: test-installed.py BUILD PYTHON GJS

The prefix is BUILD/prefix. A BUILD that was configured with this prefix is installed itself; else BUILD/installed is a build folder of its own, kept for the next time.
"""

import json
import os
import re
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'bindings'))

import tap  # noqa: E402
from places import SOURCE, bare_environment, find, installed_environment, run  # noqa: E402

BUILD, PYTHON, GJS = (sys.argv[1:] + ['', '', ''])[:3]
PREFIX = os.path.join(BUILD, 'prefix')
FOLDER = os.path.join(BUILD, 'installed')
VALAC = shutil.which('valac')

# Every file that is installed fits one of these, and each of these has one at least.
FILES = [
    r'bin/reformer',
    r'include/reformer-1\.0/libreformer/reformer\.h',
    r'include/reformer-1\.0/libreformer/[a-z]+/reformer-[a-z-]+\.h',
    r'lib[^ ]*/libreformer-1\.0\.so(\.0(\.\d+\.\d+)?)?',
    r'lib[^ ]*/pkgconfig/reformer-1\.0\.pc',
    r'lib[^ ]*/girepository-1\.0/Reformer-1\.0\.typelib',
    r'lib[^ ]*/python3[^/]*/(site|dist)-packages/gi/overrides/Reformer/\w+\.py',
    r'share/bash-completion/completions/reformer',
    r'share/gir-1\.0/Reformer-1\.0\.gir',
    r'share/gjs-1\.0/overrides/Reformer\.js',
    r'share/man/man1/reformer\.1',
]
VALA_FILES = [r'share/vala/vapi/reformer-1\.0\.vapi', r'share/vala/vapi/reformer-1\.0\.deps']

WHERE = 'import gi; gi.require_version("Reformer", "1.0"); from gi.repository import Reformer; import gi.overrides.Reformer; print(gi.overrides.Reformer.__file__)'


def version():
    with open(os.path.join(SOURCE, 'meson.build'), encoding='utf-8') as file:
        return re.search(r"version: '([0-9.]+)'", file.read()).group(1)


def prefix_of(build):
    options = json.loads(run(['meson', 'introspect', '--buildoptions', build], bare_environment()))
    return next(option['value'] for option in options if option['name'] == 'prefix')


def test_install():
    shutil.rmtree(PREFIX, ignore_errors=True)
    if prefix_of(BUILD) == PREFIX:
        run(['meson', 'install', '-C', BUILD, '--no-rebuild'], bare_environment())
        return
    options = ['-Dtests=false', '-Dexamples=false', '-Ddocs=disabled', '-Dtool=true', '-Dintrospection=enabled', '-Dpython=' + PYTHON, '--prefix=' + PREFIX]
    known = os.path.exists(os.path.join(FOLDER, 'build.ninja'))
    run(['meson', 'configure', FOLDER, *options] if known else ['meson', 'setup', FOLDER, SOURCE, *options], bare_environment())
    run(['meson', 'compile', '-C', FOLDER, '-j', '2'], bare_environment(), timeout=900)
    run(['meson', 'install', '-C', FOLDER, '--no-rebuild'], bare_environment())


def test_files():
    found = [os.path.relpath(os.path.join(where, name), PREFIX) for where, _, names in os.walk(PREFIX) for name in names]
    wanted = FILES + (VALA_FILES if VALAC else [])
    found = [name for name in found if not name.startswith('share/doc/')]
    strange = [name for name in found if not any(re.fullmatch(pattern, name) for pattern in wanted)]
    missing = [pattern for pattern in wanted if not any(re.fullmatch(pattern, name) for name in found)]
    assert not strange and not missing, 'not expected: %s; missing: %s' % (strange, missing)


def test_places():
    """No text that is installed knows where it was built."""
    for where, _, names in os.walk(PREFIX):
        for name in names:
            if name.endswith(('.h', '.pc', '.gir', '.vapi', '.deps', '.py', '.js', '.1')):
                with open(os.path.join(where, name), encoding='utf-8') as file:
                    text = file.read().replace(PREFIX, '')
                assert BUILD not in text and SOURCE + '/' not in text, '%s names the folder of the build or of the source' % name


def test_command():
    environment = installed_environment(PREFIX)
    assert shutil.which('reformer', path=environment['PATH']) == os.path.join(PREFIX, 'bin', 'reformer')
    assert run(['reformer', '--version'], environment) == 'reformer %s\n' % version()
    assert re.search(r'^\* ', run(['reformer', 'devices'], environment), re.M), 'no default device'
    assert 'train' in run(['reformer', '--help'], environment)
    with open(find(PREFIX, 'share/man/man1/reformer.1'), encoding='utf-8') as file:
        assert '.TH' in file.read()


def test_completion():
    """As bash-completion loads it: by the name of the command."""
    script = 'source "$1"; complete -p reformer'
    assert re.search(r'^complete .* reformer$', run(['bash', '-c', script, 'bash', find(PREFIX, 'share/bash-completion/completions/reformer')], bare_environment()), re.M)


def test_pkg_config():
    environment = installed_environment(PREFIX)
    assert run(['pkg-config', '--modversion', 'reformer-1.0'], environment) == version() + '\n'
    flags = run(['pkg-config', '--cflags', '--libs', 'reformer-1.0'], environment).split()
    library = os.path.dirname(find(PREFIX, 'lib*/**/libreformer-1.0.so'))
    assert {'-I%s/include/reformer-1.0' % PREFIX, '-L' + library, '-lreformer-1.0'} <= set(flags), flags
    # One who uses the library needs no OpenCL and no jansson.
    assert not [flag for flag in flags if 'OpenCL' in flag or 'jansson' in flag], flags
    assert run(['pkg-config', '--variable=typelibdir', 'reformer-1.0'], environment) == os.path.join(library, 'girepository-1.0') + '\n'


def made_by(path):
    """The command at the head of an example."""
    with open(path, encoding='utf-8') as file:
        match = re.search(r'^(?://| \*) Made by: (.*?)(?: \*/)?$', file.read(), re.M)
    assert match is not None, '%s does not say how it is made' % path
    return match.group(1)


def make_examples(ending, folder):
    examples = os.path.join(SOURCE, 'examples')
    for name in sorted(os.listdir(examples)):
        if name.endswith(ending):
            shutil.copy(os.path.join(examples, name), folder)
            run(['sh', '-c', made_by(os.path.join(examples, name))], installed_environment(PREFIX), folder)


def test_examples():
    """The tests of tests/bindings/test-examples.py, with programs made as the examples say."""
    with tempfile.TemporaryDirectory() as folder:
        make_examples('.c', folder)
        if VALAC:
            make_examples('.vala', folder)
        environment = installed_environment(PREFIX)
        environment.update(EXAMPLES_PROGRAMS=folder, EXAMPLES_VALA='yes' if VALAC else '', EXAMPLES_PYTHON=PYTHON, EXAMPLES_GJS=GJS)
        output = run([sys.executable, os.path.join(SOURCE, 'tests', 'bindings', 'test-examples.py')], environment, timeout=600)
        print('\n'.join('# ' + line for line in output.splitlines()))
        assert re.search(r'^ok \d+ /examples/own-layer/py$', output, re.M), 'no example ran'


# ---- The override for Python ----


def loaded(python, environment):
    return run([python, '-c', WHERE], environment).strip()


def test_python_prefix():
    environment = installed_environment(PREFIX)
    assert loaded(PYTHON, environment) == find(PREFIX, 'lib*/**/gi/overrides/Reformer/__init__.py')


def test_python_uninstalled():
    environment = installed_environment(PREFIX)
    environment['PYTHONPATH'] = os.path.join(SOURCE, 'bindings', 'python')
    assert loaded(PYTHON, environment) == os.path.join(SOURCE, 'bindings', 'python', 'gi', 'overrides', 'Reformer', '__init__.py')


def test_python_venv():
    """With a virtual environment as prefix the override goes to its site-packages, and no variable has to name it."""
    with tempfile.TemporaryDirectory() as folder:
        venv, build = os.path.join(folder, 'venv'), os.path.join(folder, 'build')
        environment = installed_environment(PREFIX)
        del environment['PYTHONPATH']
        run([PYTHON, '-m', 'venv', '--system-site-packages', '--without-pip', venv], environment)
        python = os.path.join(venv, 'bin', 'python3')
        run(['meson', 'setup', build, SOURCE, '--prefix=' + venv, '-Dpython=' + python, '-Dtests=false', '-Dexamples=false', '-Dtool=false', '-Dvapi=disabled'],
            bare_environment())
        run(['meson', 'install', '-C', build, '--no-rebuild', '--tags', 'python-runtime'], bare_environment())
        path = loaded(python, environment)
        assert re.fullmatch(re.escape(venv) + r'/lib/python3[0-9.]*/site-packages/gi/overrides/Reformer/__init__\.py', path), path

        # The folder can be given.
        given = os.path.join(folder, 'given', 'gi', 'overrides')
        run(['meson', 'configure', build, '-Dpython_overrides_dir=' + given], bare_environment())
        run(['ninja', '-C', build, 'build.ninja'], bare_environment())
        run(['meson', 'install', '-C', build, '--no-rebuild', '--tags', 'python-runtime'], bare_environment())
        assert os.listdir(given) == ['Reformer'] and '__init__.py' in os.listdir(os.path.join(given, 'Reformer'))


def test_python_places():
    """Below a prefix that the Python looks into, the override goes where it looks; below any other, into site-packages."""
    script = os.path.join(SOURCE, 'bindings', 'python', 'find-overrides.py')
    path = run([PYTHON, '-c', 'import site, sys; print("\\n".join(site.getsitepackages()))'], bare_environment()).split()
    prefix = run([PYTHON, '-c', 'import sys; print(sys.prefix)'], bare_environment()).strip()
    places = [prefix, '/usr/local'] if any(place.startswith('/usr/local/lib') for place in path) else [prefix]
    for prefix in places:
        place = run([PYTHON, script, prefix], bare_environment()).strip()
        assert place.startswith(prefix + '/lib') and place.endswith('/gi/overrides') and place[:-len('/gi/overrides')] in path, '%s: %s' % (prefix, place)
    place = run([PYTHON, script, '/opt/elsewhere'], bare_environment()).strip()
    assert re.fullmatch(r'/opt/elsewhere/lib/python3\.\d+/site-packages/gi/overrides', place), place


if __name__ == '__main__':
    tap.run('installed', tap.collect(globals()))
