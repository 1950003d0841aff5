# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by what runs the tests: one meson test with a log of its own, in build/results, where summary.py finds what ran, and what did not.

folder=build

# run NAME TESTS [VARIABLE=VALUE]...: of suites, or of tests by name
run () {
  name=$1 tests=$2
  shift 2
  echo "== $name"
  rm -f build/meson-logs/"$name".json build/sanitized/meson-logs/"$name".json
  env "$@" meson test -C $folder --no-rebuild $tests --logbase "$name" --print-errorlogs -t 1 > "build/results/$name.txt" 2>&1
  tell_run "$name" $? "$tests"
}

# tell_run NAME STATUS TESTS: meson's last lines. A name that no test has, or a suite without one, is no error for meson.
tell_run () {
  tail -n 12 "build/results/$1.txt" | sed -n '/^Ok:/,$p' | tr -s ' \n' ' '
  echo
  if [ ! -s "$folder/meson-logs/$1.json" ]; then
    echo "$1: no test ran" >> build/results/failed
    return
  fi
  [ "$2" -eq 0 ] || echo "$2" > "build/results/$1.status"
  case $3 in
    -*) ;;
    *) for test in $3; do
         grep -q "\"name\": \"\([^\"]* \)\?$test\"" "$folder/meson-logs/$1.json" || echo "$1: $test did not run" >> build/results/failed
       done ;;
  esac
}

skip () {
  echo "== $1: skipped: $2"
  echo "$1: $2" >> build/results/skipped
}
