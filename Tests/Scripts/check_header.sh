#!/usr/bin/env bash
# The header compiles alone in every dialect that it promises.
set -euo pipefail
cd "$(dirname "$0")/../.."
warnings="-Wall -Wextra -pedantic -Werror -fsyntax-only"
for dialect in c99 c11; do
  cc -std=$dialect $warnings -x c include/refrain.h
done
c++ -std=c++17 $warnings -x c++ include/refrain.h
echo "header: compiles as C99, C11 and C++17"
