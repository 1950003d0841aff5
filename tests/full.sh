#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What tests/run.sh --full adds: comparisons with other libraries, which get a Python of their own in build/peers.
cd "$(dirname "$0")/.." || exit 1
peers=build/peers/bin/python
if [ ! -x $peers ]; then
  /usr/bin/python3 -m venv build/peers || exit 1
fi
$peers -c 'import torch, transformers, safetensors, numpy' 2>/dev/null ||
  build/peers/bin/pip install -q torch==2.13.0 transformers==5.23.0 safetensors numpy || exit 1
peers=$PWD/$peers
failed=0

echo "== the safetensors reader against the reference"
$peers tests/fuzz/safetensors-differential.py build/tests/safetensors-driver --files 20000 || failed=1

echo "== speed beside transformers"
meson devenv -C build /usr/bin/python3 "$PWD/tests/bench/speed.py" "$peers" 16384 3 || failed=1

echo "== the duplication task of the Reformer's paper"
meson devenv -C build /usr/bin/python3 "$PWD/tests/results/duplication.py" || failed=1

exit $failed
