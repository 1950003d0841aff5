#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What tests/run.sh --full adds: comparisons with other libraries, which get a Python of their own in build/peers, and what takes long.
cd "$(dirname "$0")/.." || exit 1
tests/bench/compare.py --prepare || exit 1
peers=$PWD/build/peers/bin/python
. tests/install.sh
packages="libopenblas0 valgrind"
install_packages
. tests/one-run.sh
failed=0

echo "== the safetensors reader against the reference"
$peers tests/fuzz/safetensors-differential.py build/tests/safetensors-driver --files 20000 || failed=1

echo "== SentencePiece models beside sentencepiece"
$peers tests/fuzz/sentencepiece-differential.py build/tests/sentencepiece-driver || failed=1

echo "== metrics of evaluations beside scikit-learn"
meson devenv -C build /usr/bin/python3 "$PWD/tests/results/metrics.py" "$peers" || failed=1

# valgrind's processor has no AVX-512, and says so: PoCL and the library then take kernels for AVX2. What takes it too long, bounds a time, or looks at how a fork ends is left out.
echo "== valgrind"
if command -v valgrind > /dev/null; then
  memcheck="valgrind -q --trace-children=no --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=30 --error-exitcode=9
    --suppressions=$PWD/tests/valgrind.supp --suppressions=/usr/share/glib-2.0/valgrind/glib.supp"
  # meson adds the wrapper's name to that of the log
  rm -f build/meson-logs/memcheck-valgrind.json
  checked="config config-validate dataset half json safetensors sampling schedule tokenizer weights norm"
  OCL_ICD_VENDORS=/etc/OpenCL/vendors/pocl.icd G_SLICE=always-malloc meson test -C build --no-rebuild --wrap "$(echo $memcheck)" --logbase memcheck --print-errorlogs -t 10 $checked \
    > build/results/memcheck-valgrind.txt 2>&1
  tell_run memcheck-valgrind $? "$checked"
else
  skip memcheck-valgrind "valgrind is not installed"
fi

echo "== checkpoints from and to transformers"
OCL_ICD_VENDORS=/etc/OpenCL/vendors/pocl.icd meson devenv -C build /usr/bin/python3 "$PWD/tests/golden/both-ways.py" "$peers" || failed=1

echo "== products beside OpenBLAS"
build/tests/products --check || failed=1

echo "== shares of the device, at the lengths of the aims"
meson devenv -C build /usr/bin/python3 "$PWD/tests/bench/small.py" --aims || failed=1

echo "== speed beside transformers' Reformer, reformer-pytorch and PyTorch"
tests/bench/compare.py --check --output build/compare.md --plot build/compare.svg || failed=1

echo "== a million tokens in one sequence"
meson devenv -C build /usr/bin/python3 "$PWD/tests/bench/million.py" || failed=1

echo "== the largest published model at its full length"
meson devenv -C build /usr/bin/python3 "$PWD/tests/bench/million.py" --preset enwik8 --length 65536 --steps 1 --most 6 --forward || failed=1

echo "== a model of the largest published preset, saved and loaded"
meson devenv -C build /usr/bin/python3 "$PWD/tests/results/save-largest.py"
case $? in
  0) ;;
  77) skip save-largest "too little disk or memory" ;;
  *) failed=1 ;;
esac

echo "== the standard Transformer at 2,000 positions"
meson devenv -C build /usr/bin/python3 "$PWD/tests/results/standard-transformer.py" || failed=1

echo "== what a step keeps"
meson devenv -C build /usr/bin/python3 "$PWD/tests/results/keep.py" || failed=1

echo "== the duplication task of the Reformer's paper"
meson devenv -C build /usr/bin/python3 "$PWD/tests/results/duplication.py" || failed=1

exit $failed
