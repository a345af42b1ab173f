#!/usr/bin/env bash
# An installed copy is all that a C program needs, through pkg-config; uninstalling leaves nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

make --no-print-directory install PREFIX=/opt/refrain DESTDIR="$root" >/dev/null
cat >"$root/program.c" <<'C'
#include <refrain.h>
#include <stdio.h>

int main(void) {
  refrain_model *model = NULL;
  float x[3] = {1, 2, 3}, y = 0;
  refrain_session *session = NULL;
  if (refrain_model_create("Input(3) -> GRU(4) -> Dense(1)", 1, &model) != REFRAIN_OK ||
      refrain_session_create(model, NULL, &session) != REFRAIN_OK ||
      refrain_session_step(session, x, &y) != REFRAIN_OK) {
    fprintf(stderr, "%s\n", refrain_last_error());
    return 1;
  }
  refrain_session_release(session);
  refrain_model_release(model);
  printf("installed: a program runs with Refrain %s\n", refrain_version());
  return 0;
}
C
export PKG_CONFIG_PATH="$root/opt/refrain/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root"
cc "$root/program.c" -o "$root/program" $(pkg-config --cflags --libs refrain)
LD_LIBRARY_PATH="$root/opt/refrain/lib" "$root/program"
version=$(pkg-config --modversion refrain)
[ "$(readlink -f "$root/opt/refrain/lib/librefrain.so")" = "$(readlink -f "$root/opt/refrain/lib")/librefrain.so.$version" ] ||
  { echo "installed: librefrain.so does not lead to librefrain.so.$version" >&2; exit 1; }

make --no-print-directory uninstall PREFIX=/opt/refrain DESTDIR="$root" >/dev/null
left=$(find "$root/opt" -not -type d)
[ -z "$left" ] || { echo "uninstalling left $left" >&2; exit 1; }
echo "installed: uninstalling leaves nothing"
