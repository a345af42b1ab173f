#!/usr/bin/env bash
# The library exports what the header declares and nothing else, needs only the C and C++ runtime,
# names no folder of the machine that built it, and stays small.
#
#   check_symbols.sh LIBRARY
set -euo pipefail
cd "$(dirname "$0")/../.."
library=$1
fail() {
  echo "symbols: $*" >&2
  exit 1
}

exported=$(nm -D --defined-only "$library" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u)
# Declared functions, without comments and the types of callbacks.
declared=$(sed 's|/\*.*\*/||; /\/\*/,/\*\//d' include/refrain.h | tr '\n' ' ' |
  grep -oE '\brefrain_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u)
difference=$(diff <(echo "$exported") <(echo "$declared")) ||
  fail "exported (<) and declared (>) differ:
$difference"

unresolved=$(nm -D --undefined-only "$library" | grep -iE 'swift|openblas|cblas' || true)
[ -z "$unresolved" ] || fail "left to others: $unresolved"

needed=$(readelf -d "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
for name in $needed; do
  case $name in
    libc.so.6 | libm.so.6 | libstdc++.so.6 | libgcc_s.so.1 | ld-linux-*.so.* | libdl.so.2 | libpthread.so.0) ;;
    *) fail "needs $name" ;;
  esac
done
soname=$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[ "$soname" = librefrain.so.1 ] || fail "its soname is '$soname'"
runpath=$(readelf -d "$library" | sed -n 's/.*R\(UN\)\?PATH.*\[\(.*\)\]/\2/p')
case $runpath in '' | '$ORIGIN') ;; *) fail "it looks for libraries in '$runpath'" ;; esac
for folder in "$PWD" "$(dirname "$(dirname "$(command -v swift)")")"; do
  if strings -a "$library" | grep -qF "$folder"; then fail "it contains the folder $folder"; fi
done
size=$(stat -c %s "$library")
[ "$size" -le 10000000 ] || fail "it has $size bytes"
echo "symbols: $(echo "$exported" | wc -l) functions, as declared; $size bytes; needs" $needed
