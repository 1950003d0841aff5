# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests/run.sh: the C tests under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, on PoCL. The runs before have warmed the caches of kernels, so that
# no compiler works here: LLVM leaks, and is slow. Nothing is suppressed.

# What takes too long: gradients by differences, large products, whole trainings; the command's tests, which bound its time; scripts that ask about the source.
left_out="attention bits formulas main-loop mistakes-met overfit long presets product resume run-checkpoint run-folder source tool trainer-async trainer-memory"
# Programs that compile kernels whatever is cached, because these must fail: memory of LLVM that is lost does not count.
compiling="device mistakes tuning"

echo "== build with sanitizers"
if [ ! -f build/sanitized/build.ninja ]; then
  meson setup build/sanitized -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=0 -Dc_args=-g1 -Dintrospection=disabled -Dvapi=disabled -Ddocs=disabled \
    -Dexamples=false -Dtests=true -Dtool=true > build/results/sanitized-build.txt 2>&1
fi
meson compile -C build/sanitized >> build/results/sanitized-build.txt 2>&1
built=$?
wait # for what tests/run.sh began
if [ $built -eq 0 ]; then
  chosen=
  for test in $(meson test -C build/sanitized --list --suite host --suite device --suite wide 2>/dev/null | sed -n 's,^.* / ,,p'); do
    case " $left_out $compiling " in
      *" $test "*) ;;
      *) chosen="$chosen $test" ;;
    esac
  done
  folder=build/sanitized
  UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  export UBSAN_OPTIONS
  echo "== sanitized-leaks"
  # meson adds the wrapper's name to that of the log
  rm -f build/sanitized/meson-logs/sanitized-leaks.json
  OCL_ICD_VENDORS=$pocl ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 meson test -C $folder --no-rebuild $chosen --wrap "$top/tests/leaks" --logbase sanitized --print-errorlogs -t 1 \
    > build/results/sanitized-leaks.txt 2>&1
  tell_run sanitized-leaks $? "$chosen"
  run sanitized-compiling "$compiling" OCL_ICD_VENDORS=$pocl ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
  unset UBSAN_OPTIONS
  folder=build
else
  tail -n 20 build/results/sanitized-build.txt
  echo "sanitized: does not build" >> build/results/failed
fi
