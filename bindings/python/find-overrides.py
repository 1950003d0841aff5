# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the folder for overrides of PyGObject below a prefix: where this Python looks, or where a Python of that prefix would.

usage: find-overrides.py PREFIX
"""
import os
import site
import sys
import sysconfig


def main(prefix):
    prefix = os.path.realpath(prefix)
    libraries = tuple(os.path.join(prefix, name, '') for name in ('lib', 'lib64'))
    # Debian's Python does not look into the folders that sysconfig names, but into dist-packages.
    places = [place for place in [*site.getsitepackages(), site.getusersitepackages()] if os.path.realpath(place).startswith(libraries)]
    places.append(sysconfig.get_path('purelib', 'posix_prefix', {'base': prefix, 'platbase': prefix}))
    print(os.path.join(places[0], 'gi', 'overrides'))


if __name__ == '__main__':
    main(sys.argv[1])
