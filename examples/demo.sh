#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A text in, a trained model out, a page written: examples/demo.sh --help
set -u
started=$(date +%s)

usage="usage: examples/demo.sh [--steps N] [--seed N] [--model FOLDER] [--resume] [FILE]

Installs what is missing, builds into ./build, trains a byte model of about a million
parameters on FILE for about three minutes on two cores, measures it on the last tenth of
FILE, which training never saw, and writes 400 bytes with it. Without FILE the text is the
Jargon File, 1.7 MB, from Debian's package jargon-text.

  --steps N        steps of training (2400)
  --seed N         seed of all that is random (0)
  --model FOLDER   where the model goes (demo-model; where there is one, demo-model-2, ...)
  --resume         go on with a run that was stopped: the newest demo-model, or FOLDER

--resume takes the text from the run; FILE may name it too.
With REFORMER_TOOL=PATH it takes that command, and neither installs nor builds."

fail () {
  echo "demo.sh: $1" >&2
  exit "${2:-1}"
}

is_number () {
  case $1 in
    ''|*[!0-9]*|??????????*) return 1 ;;
  esac
}

steps=2400 seed=0 model='' file='' resume=no
while [ $# -gt 0 ]; do
  case $1 in
    --steps|--seed|--model)
      [ $# -gt 1 ] || fail "$1 wants a value; see examples/demo.sh --help" 2 ;;
  esac
  case $1 in
    --help|-h) echo "$usage"; exit 0 ;;
    --resume) resume=yes ;;
    --steps) steps=$2; shift ;;
    --seed) seed=$2; shift ;;
    --model) model=$2; shift ;;
    --) shift; break ;;
    -*) fail "there is no option $1; see examples/demo.sh --help" 2 ;;
    *) [ -z "$file" ] || fail "one FILE is wanted, not $file and $1" 2; file=$1 ;;
  esac
  shift
done
[ $# -gt 0 ] && [ -z "$file" ] && { file=$1; shift; }
[ $# -eq 0 ] || fail "one FILE is wanted, not $file and $1" 2
is_number "$steps" && [ "$steps" -gt 0 ] || fail "--steps is $steps; wanted a number of steps, from 1" 2
is_number "$seed" || fail "--seed is $seed; wanted a number" 2
if [ -n "$file" ]; then
  [ -e "$file" ] || fail "$file is not there"
  [ -f "$file" ] || fail "$file is no file; wanted a text"
  [ -r "$file" ] || fail "$file cannot be read"
  file=$(realpath -- "$file") || exit 1
fi
[ -n "$model" ] && { model=$(realpath -m -- "$model") || exit 1; }
tool=${REFORMER_TOOL:-}
case $tool in
  '') ;;
  */*) { [ -f "$tool" ] && [ -x "$tool" ] && tool=$(realpath -- "$tool"); } || fail "REFORMER_TOOL is $tool, which is no program" ;;
  *) command -v "$tool" > /dev/null || fail "REFORMER_TOOL is $tool, which is no program" ;;
esac

here=$PWD
cd "$(dirname "$0")/.." || exit 1
top=$PWD

# Paths are shown as they are seen from where the demo was called, and so that a shell can read them.
show () {
  shown=${1#"$here"/}
  case $shown in
    *[!A-Za-z0-9_./+,:@%=-]*) printf "'%s'\n" "$(printf '%s\n' "$shown" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s\n' "$shown" ;;
  esac
}

# ---- Installation and build ----

text_package=/usr/share/doc/jargon-text/jargon.txt.gz
if [ -z "$tool" ]; then
  . tests/install.sh
  packages="gcc pkg-config meson ninja-build libglib2.0-dev libjansson-dev opencl-headers ocl-icd-opencl-dev pocl-opencl-icd gzip xz-utils"
  [ -z "$file" ] && [ $resume = no ] && packages="$packages jargon-text"
  install_packages
  mkdir -p build || exit 1
  log=$top/build/demo.log
  if [ ! -f build/build.ninja ]; then
    # What the tests and other languages need stays out; tests/run.sh adds it to the same folder.
    meson setup build -Dintrospection=disabled -Dtests=false -Dexamples=false > "$log" 2>&1 || fail "the build could not be set up; $(show "$log") says why"
  fi
  echo "== build"
  meson compile -C build > "$log" 2>&1 || fail "the build failed; $(show "$log") says why"
  tool=$top/build/libreformer/tool/reformer
  [ -x "$tool" ] || fail "$(show "$tool") is not there: this build folder was set up with -Dtool=false"
fi

# ---- Model ----

number=1
if [ -z "$model" ]; then
  newest='' model=$top/demo-model
  while [ -e "$model" ]; do
    newest=$model number=$((number + 1))
    model=$top/demo-model-$number
  done
  [ $resume = yes ] && { model=$newest; [ -n "$model" ] || fail "there is no demo-model to go on with"; }
  [ $resume = no ] && [ -n "$newest" ] && echo "$(show "$newest") is there and stays as it is."
fi

# ---- Text ----

# What the run of this model says of NAME.
recorded () {
  sed -n 's/^ *"'"$1"'": "\(.*\)",\{0,1\}$/\1/p' "$model/reformer-run.json" | head -n 1 | sed 's/\\\(["\\]\)/\1/g'
}

if [ $resume = yes ]; then
  # The model is compared with what gzip and xz make of the same text.
  [ -f "$model/reformer-run.json" ] || fail "there is no run in $(show "$model") to go on with"
  text=$(recorded path) steps=$(recorded total-steps)
  is_number "$steps" || fail "$(show "$model/reformer-run.json") does not say total-steps"
  if [ -n "$file" ]; then
    case $(recorded identity) in
      *"sha256 $(sha256sum < "$file" | cut -d ' ' -f 1),"*) ;;
      *) fail "$(show "$file") is not the text of the run in $(show "$model"), which is $(show "$text")" ;;
    esac
  else
    file=$text
    [ -f "$file" ] || fail "$(show "$file"), the text of the run in $(show "$model"), is not there"
  fi
elif [ -z "$file" ]; then
  [ -f $text_package ] || fail "the package jargon-text is not installed; name a text: examples/demo.sh FILE"
  mkdir -p build/demo || exit 1
  file=$top/build/demo/jargon.txt
  # The file stays as it is where it is there: a run that goes on wants the same data.
  if [ ! -f "$file" ]; then
    gzip -dc $text_package > "$file.part" && mv "$file.part" "$file" || fail "$text_package could not be unpacked into $(show "$file")"
  fi
fi

# ---- Training ----

stopped=0
trap 'stopped=130' INT
trap 'stopped=143' TERM

echo "== training on $(show "$file")"
if [ $resume = yes ]; then
  "$tool" train "$model" --resume > /dev/null
else
  # Many short sequences teach more in the same time than few long ones; the last steps make the model used to longer ones.
  final=$(((steps + 9) / 10))
  warmup=$((steps / 4 < 30 ? steps / 4 : 30))
  "$tool" train "$model" --data "$file" --preset small --num-hashes 1 --seed "$seed" --steps "$steps" --length 1024 --final-sequence-length 4096 --final-steps $final \
    --learning-rate 3e-3 --warmup-steps $warmup --decay linear --checkpoint-interval 500 --checkpoints-kept 1 > /dev/null
fi
status=$?
if [ $status = 130 ] || [ $status = 143 ]; then
  echo "Stopped and saved. To go on: $(show "$0") --resume --model $(show "$model") $(show "$file")"
fi
[ $status = 0 ] || exit $status
[ $stopped = 0 ] || exit $stopped

# ---- Measurement ----

echo "== measuring on the last tenth"
result=$("$tool" evaluate "$model" --json) || exit 1
field () {
  echo "$result" | sed -n 's/.*"'"$1"'": *\([0-9.eE+-]*\).*/\1/p' | head -n 1
}
bits=$(field bits) targets=$(field targets) samples=$(field samples)
[ -n "$bits" ] && [ -n "$targets" ] && [ -n "$samples" ] || fail "reformer evaluate --json did not say bits, targets and samples"
held_out=$((targets + samples)) # the first byte of each sequence is given, not predicted

compressed () { # NAME COMMAND...: bits a byte of the same bytes
  name=$1
  shift
  if command -v "$1" > /dev/null; then
    size=$(tail -c "$held_out" "$file" | "$@" -c | wc -c)
    awk -v name="$name" -v size="$size" -v bytes="$held_out" 'BEGIN { printf "  %-28s %.3f bits per byte\n", name, 8 * size / bytes }'
  else
    printf '  %-28s not installed\n' "$name"
  fi
}
LC_ALL=C
export LC_ALL
echo "The last tenth of the text, $held_out bytes:"
awk -v bits="$bits" 'BEGIN { printf "  %-28s %.3f bits per byte\n", "this model", bits }'
compressed "gzip -9" gzip -9
compressed "xz -9e" xz -9e
echo "The model learned from the nine tenths before; gzip and xz begin with nothing."

# ---- A page ----

echo "== 400 bytes by the model"
"$tool" generate "$model" --prompt "The " --max-tokens 400 --temperature 0.7 --seed "$seed" || exit 1
[ $stopped = 0 ] || exit $stopped

finished=$(date +%s)
echo
echo "The model is in $(show "$model"), made in $((finished - started)) seconds. To try next:"
echo "  $(show "$tool") generate $(show "$model") --prompt \"There is a \" --temperature 0.5"
echo "  $(show "$tool") evaluate $(show "$model") --data $(show "$top/README.md")"
echo "  $(show "$tool") train $(show "$model") --resume --steps $((2 * steps))"
