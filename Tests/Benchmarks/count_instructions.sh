#!/usr/bin/env bash
# Counts the instructions of one repetition of a few workloads, and compares them with the numbers
# recorded in instruction_counts.txt: more than 3 % above is a failure.
#
#   count_instructions.sh BENCH [--record]
#
# callgrind counts the same for the same binary, however busy the machine is. It knows no AVX-512,
# so the level is x86-64-v3. Start and preparation are taken out by counting two numbers of
# repetitions. The C library and the allocator are counted too, as they were where the numbers were
# recorded.
set -euo pipefail
cd "$(dirname "$0")"
bench=$1
record=${2:-}
recorded=instruction_counts.txt

count() { # WORKLOAD REPETITIONS
  local output instructions
  output=$(REFRAIN_ISA=x86-64-v3 valgrind --tool=callgrind --callgrind-out-file=/dev/null \
    "$bench" --repeat "$1" "$2" 2>&1) || true
  instructions=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' <<<"$output")
  if ! [[ $instructions =~ ^[0-9]+$ ]]; then
    printf 'nothing was counted for %s:\n%s\n' "$1" "$output" >&2
    exit 1
  fi
  echo "$instructions"
}

failed=0
lines=
while read -r workload few many; do
  first=$(count "$workload" "$few")
  last=$(count "$workload" "$many")
  instructions=$(((last - first) / (many - few)))
  lines+=$(printf '%s %d' "$workload" "$instructions")$'\n'
  before=$(awk -v name="$workload" '$1 == name { print $2 }' "$recorded" 2>/dev/null || true)
  if [ -z "$before" ]; then
    printf '%-13s %12d instructions, not recorded yet\n' "$workload" "$instructions"
    [ -n "$record" ] || failed=1
    continue
  fi
  change=$(awk -v now="$instructions" -v before="$before" 'BEGIN { printf "%+.2f", 100 * (now / before - 1) }')
  printf '%-13s %12d instructions, %s %%\n' "$workload" "$instructions" "$change"
  if awk -v c="$change" 'BEGIN { exit !(c > 3) }'; then failed=1; fi
done <<'END'
T1-lstm 2 6
T1-gru 2 6
T1-lstm-short 2 6
T4-short 1 3
I1-lstm 10 60
I1-gru 10 60
S1-lstm-20 1000 21000
S1-lstm-64 1000 11000
S1-lstm-256 200 1200
S1-lstm-512 100 400
S1-gru-20 1000 21000
S1-gru-64 1000 11000
S1-gru-256 200 1200
S1-gru-512 100 400
END

if [ -n "$record" ]; then
  printf '# Instructions of one repetition at x86-64-v3, counted by callgrind. See count_instructions.sh.\n%s' \
    "$lines" > "$recorded"
  exit 0
fi
[ "$failed" = 0 ] || echo "instruction counts have grown by more than 3 %, or are not recorded" >&2
exit "$failed"
