#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what is missing, builds into ./build and runs the tests on every OpenCL runtime that the machine has.
#
#   tests/run.sh          at most 20 minutes on two cores
#   tests/run.sh --full   everything, also what needs other libraries for comparison (docs/testing.md)
#
# The last line is "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
full=no
for argument in "$@"; do
  case $argument in
    --full) full=yes ;;
    *) echo "usage: tests/run.sh [--full]" >&2; exit 2 ;;
  esac
done

. tests/install.sh
install_packages
install_intel

# The library is built three times: here, from what meson dist packs, and in a newcomer's clone.
export CCACHE_DIR="$top/build/cache/ccache" CCACHE_NOHASHDIR=1 CCACHE_IGNOREOPTIONS=-Werror

echo "== build"
options="-Dintrospection=enabled -Ddocs=enabled -Dtests=true -Dexamples=true -Dtool=true -Dpython=/usr/bin/python3"
[ -n "${CI:-}" ] && options="$options -Dwerror=true"
if [ -f build/build.ninja ]; then
  meson configure build $options "-Dprefix=$top/build/prefix" || exit 1
else
  meson setup build $options "-Dprefix=$top/build/prefix" || exit 1
fi
meson compile -C build || exit 1

rm -rf build/results
mkdir -p build/results
# PoCL and our own cache of kernels stay within the build folder
export POCL_CACHE_DIR="$top/build/cache/pocl" XDG_CACHE_HOME="$top/build/cache"
mkdir -p "$POCL_CACHE_DIR"
pocl=/etc/OpenCL/vendors/pocl.icd
rusticl=/etc/OpenCL/vendors/rusticl.icd
intel=$top/build/intel/vendors
oclgrind=$top/build/oclgrind

. tests/one-run.sh

run pocl-wide "--suite host --suite device" OCL_ICD_VENDORS=$pocl
# hundreds of processes with the same few kernels: binaries of them are worth their time here
run pocl-programs "--suite wide --suite api --suite faults" OCL_ICD_VENDORS=$pocl REFORMER_CACHE="$top/build/cache/kernels"
run install "--suite install --suite newcomer" OCL_ICD_VENDORS=$pocl
run speed "--suite speed" OCL_ICD_VENDORS=$pocl
run pocl-simt "--suite device" OCL_ICD_VENDORS=$pocl REFORMER_KERNELS=simt
run pocl-wide-8 "--suite models" OCL_ICD_VENDORS=$pocl REFORMER_VECTOR_WIDTH=8
run pocl-small-wide "--suite tiny" OCL_ICD_VENDORS=$pocl REFORMER_LIMITS=local=65536,group=64,allocation=67108864
run pocl-small-simt "--suite tiny" OCL_ICD_VENDORS=$pocl REFORMER_KERNELS=simt REFORMER_LIMITS=local=16384,group=64,allocation=67108864,memory=own
if [ -d "$intel" ]; then
  run intel-wide "--suite device --suite runtimes" OCL_ICD_VENDORS=$intel
  run intel-simt "--suite tiny" OCL_ICD_VENDORS=$intel REFORMER_KERNELS=simt
else
  skip intel-wide "Intel's runtime could not be installed"
fi
if [ -f $rusticl ]; then
  run rusticl "--suite models --suite tiny" OCL_ICD_VENDORS=$rusticl RUSTICL_ENABLE=llvmpipe
else
  skip rusticl "mesa-opencl-icd has no rusticl here"
fi
# oclgrind interprets on one core; what the sanitizers need is built beside it
interpret () {
  name=oclgrind-$1 suite=$2
  shift 2
  if [ -f "$oclgrind/oclgrind.icd" ]; then
    log=$top/build/results/$name.log
    run $name "--suite $suite" OCL_ICD_VENDORS=$oclgrind REFORMER_CACHE=off OCLGRIND_CHECK_API=1 OCLGRIND_LOG="$log" "$@"
    [ -s "$log" ] && echo "$name: $(grep -c . "$log") lines of complaints in build/results/$name.log" >> build/results/failed
  else
    skip $name "oclgrind could not be installed"
  fi
}
{
  interpret wide tiny OCLGRIND_DATA_RACES=1 REFORMER_KERNELS=wide
  # a whole model of simt kernels takes it as long as all the others together
  kernels="tiny --no-suite models"
  [ $full = yes ] && kernels=tiny
  interpret simt "$kernels" OCLGRIND_DATA_RACES=1 REFORMER_KERNELS=simt
  interpret uninitialised uninitialised OCLGRIND_UNINITIALIZED=1 REFORMER_KERNELS=simt REFORMER_LIMITS=memory=own
} &
. tests/sanitize.sh
if [ $full = yes ]; then
  sh tests/full.sh || echo "tests/full.sh" >> build/results/failed
fi

exec /usr/bin/python3 tests/summary.py build
