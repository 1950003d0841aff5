#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The same program in four languages prints the same line. Variables: C_PROGRAM, and VALA_PROGRAM, PYTHON and GJS where there are any.
folder=$(dirname "$0")
number=0
status=0
wanted=

check () {
  number=$((number + 1))
  if [ -z "$2" ]; then
    echo "ok $number /four-languages/$1 # SKIP not found when the build was configured"
    return
  fi
  name=$1
  shift
  seen=$("$@") || seen="failed: $seen"
  wanted=${wanted:-$seen}
  case $seen in
    loss*) ;;
    *) wanted="a line that begins with loss" ;;
  esac
  if [ "$seen" = "$wanted" ]; then
    echo "ok $number /four-languages/$name"
  else
    echo "not ok $number /four-languages/$name"
    echo "# wanted: $wanted"
    status=1
  fi
  echo "# $name: $seen"
}

echo 1..4
check c "$C_PROGRAM"
check vala "$VALA_PROGRAM"
check python "$PYTHON" "$folder/load-mixed.py"
check gjs "$GJS" -m "$folder/load-mixed.js"
exit $status
