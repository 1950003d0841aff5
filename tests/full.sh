#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What tests/run.sh --full adds: comparisons with other libraries, which get a Python of their own in build/peers, and what takes long.
cd "$(dirname "$0")/.." || exit 1
tests/bench/compare.py --prepare || exit 1
peers=$PWD/build/peers/bin/python
. tests/install.sh
packages=libopenblas0
install_packages
failed=0

echo "== the safetensors reader against the reference"
$peers tests/fuzz/safetensors-differential.py build/tests/safetensors-driver --files 20000 || failed=1

echo "== products beside OpenBLAS"
build/tests/products --check || failed=1

echo "== speed beside transformers' Reformer, reformer-pytorch and PyTorch"
tests/bench/compare.py --check --output build/compare.md --plot build/compare.svg || failed=1

echo "== a million tokens in one sequence"
meson devenv -C build /usr/bin/python3 "$PWD/tests/bench/million.py" || failed=1

echo "== the duplication task of the Reformer's paper"
meson devenv -C build /usr/bin/python3 "$PWD/tests/results/duplication.py" || failed=1

exit $failed
