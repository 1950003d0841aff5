# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs, and the environment in which a library below a prefix is found, as the README has it."""

import glob
import os
import subprocess

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What says where libraries, typelibs, overrides and the rest are put and looked for.
PATHS = ('DESTDIR', 'GI_TYPELIB_PATH', 'GJS_PATH', 'LD_LIBRARY_PATH', 'PKG_CONFIG_PATH', 'PYTHONPATH', 'REFORMER_UNINSTALLED', 'XDG_DATA_DIRS')


def run(command, environment, folder=None, timeout=300):
    """Output and errors of a program that must end with status 0."""
    result = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            timeout=timeout, check=False)
    assert result.returncode == 0, '%s ended with %d:\n%s' % (' '.join(command), result.returncode, result.stdout[-3000:])
    return result.stdout


def bare_environment():
    """That of the tests, without anything that helps to find this library."""
    environment = {name: value for name, value in os.environ.items() if name not in PATHS and not name.startswith('MESON')}
    environment['PYTHONDONTWRITEBYTECODE'] = '1'
    return environment


def find(prefix, pattern):
    """The only file or folder below the prefix that fits."""
    found = glob.glob(os.path.join(prefix, pattern), recursive=True)
    assert len(found) == 1, '%s below %s: %s' % (pattern, prefix, found)
    return found[0]


def installed_environment(prefix):
    environment = bare_environment()
    library = os.path.dirname(find(prefix, 'lib*/**/libreformer-1.0.so'))
    environment['PATH'] = os.path.join(prefix, 'bin') + ':' + environment['PATH']
    environment['LD_LIBRARY_PATH'] = library
    environment['GI_TYPELIB_PATH'] = os.path.join(library, 'girepository-1.0')
    environment['PYTHONPATH'] = os.path.dirname(os.path.dirname(find(prefix, 'lib*/**/gi/overrides')))
    environment['XDG_DATA_DIRS'] = os.path.join(prefix, 'share') + ':/usr/local/share:/usr/share'
    environment['PKG_CONFIG_PATH'] = os.path.join(library, 'pkgconfig')
    return environment
