# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests/run.sh: what a machine needs to build and test, on Debian and Ubuntu.

packages="gcc ccache pkg-config meson ninja-build libglib2.0-dev gobject-introspection libgirepository1.0-dev valac gjs
python3 python3-venv python3-gi python3-numpy libjansson-dev opencl-headers ocl-icd-opencl-dev pocl-opencl-icd mesa-opencl-icd
oclgrind libclblast-dev gi-docgen"

missing_packages () {
  for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || echo "$package"
  done
}

install_packages () {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is neither Debian nor Ubuntu; these packages (Debian's names) are needed:" $packages
    return
  fi
  missing=$(missing_packages | tr '\n' ' ')
  [ -z "$missing" ] && return
  as_root=
  if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    if [ -z "${CI:-}" ]; then
      printf 'Install %sby sudo apt-get? [y/N] ' "$missing"
      read -r answer
      case $answer in
        y*|Y*) ;;
        *) echo "needed: $missing"; exit 1 ;;
      esac
    fi
  fi
  echo "== installing $missing"
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing || exit 1
}

# Intel's runtime for CPUs comes from PyPI; oclgrind is used as one more runtime. Both are put into the build folder.
install_intel () {
  if [ ! -d build/intel/vendors ]; then
    mkdir -p build/intel
    /usr/bin/python3 -m venv build/intel/venv && build/intel/venv/bin/pip install -q --disable-pip-version-check intel-opencl-rt intel-cmplr-lib-rt 2>build/intel/pip.log
    library=$(find "$PWD/build/intel/venv" -name libintelocl.so 2>/dev/null | head -n 1)
    if [ -n "$library" ]; then
      mkdir -p build/intel/vendors
      echo "$library" > build/intel/vendors/intel.icd
    fi
  fi
  library=$(find /usr/lib -name liboclgrind-rt-icd.so 2>/dev/null | head -n 1)
  if [ -n "$library" ]; then
    mkdir -p build/oclgrind
    echo "$library" > build/oclgrind/oclgrind.icd
  fi
}
