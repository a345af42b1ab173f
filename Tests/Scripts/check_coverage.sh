#!/usr/bin/env bash
# Every function of the header is called in the C tests named.
#
#   check_coverage.sh FILE…
set -euo pipefail
header=$(dirname "$0")/../../include/refrain.h
missing=$(sed 's|/\*.*\*/||; /\/\*/,/\*\//d' "$header" | tr '\n' ' ' |
  grep -oE '\brefrain_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u |
  while read -r name; do grep -qE "\b$name\(" "$@" || echo "$name"; done)
[ -z "$missing" ] || { echo "never called wrongly:" $missing >&2; exit 1; }
echo "errors: every function of the header is called"
