# SPDX-License-Identifier: LGPL-2.1-or-later
"""`meson dist`: everything that git has is in it, and it builds.

usage: test-dist.py BUILD
"""

import os
import shutil
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'bindings'))

import tap  # noqa: E402
from places import SOURCE, bare_environment, run  # noqa: E402

BUILD = sys.argv[1]


def unpack(folder):
    """What has not been committed is not in it, and no reason to fail."""
    for name in os.listdir(os.path.join(BUILD, 'meson-dist')) if os.path.isdir(os.path.join(BUILD, 'meson-dist')) else []:
        os.remove(os.path.join(BUILD, 'meson-dist', name))
    run(['meson', 'dist', '-C', BUILD, '--no-tests', '--allow-dirty', '--formats', 'gztar'], bare_environment())
    [name] = [name for name in os.listdir(os.path.join(BUILD, 'meson-dist')) if name.endswith('.tar.gz')]
    with tarfile.open(os.path.join(BUILD, 'meson-dist', name)) as archive:
        archive.extractall(folder)
    return os.path.join(folder, name[:-len('.tar.gz')])


def test_dist():
    if not os.path.exists(os.path.join(SOURCE, '.git')) or shutil.which('git') is None:
        raise tap.Skip('the source is no clone of git')
    tracked = run(['git', '-C', SOURCE, 'ls-tree', '-r', '--name-only', 'HEAD'], bare_environment()).splitlines()
    with tempfile.TemporaryDirectory() as folder:
        top = unpack(folder)
        found = [os.path.relpath(os.path.join(where, name), top) for where, _, names in os.walk(top) for name in names]
        assert sorted(found) == sorted(tracked), 'missing: %s; too many: %s' % (sorted(set(tracked) - set(found)), sorted(set(found) - set(tracked)))

        # The short form: the library and the command alone. From the source's folder, `../libreformer` as in other builds, whose compiler's cache serves here.
        build = os.path.join(top, 'build')
        run(['meson', 'setup', build, top, '-Dintrospection=disabled', '-Dtests=false', '-Dexamples=false'], bare_environment())
        run(['meson', 'compile', '-C', build, '-j', '2'], bare_environment(), timeout=900)
        output = run([os.path.join(build, 'libreformer', 'tool', 'reformer'), '--version'], bare_environment())
        assert 'libreformer-' + output.split()[1] == os.path.basename(top), output


if __name__ == '__main__':
    tap.run('dist', tap.collect(globals()))
