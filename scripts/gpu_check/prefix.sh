# gpu-check --prefix DIR: unpacks what pack.sh packed, once, and tells the build where it is. Nothing of it gets into
# the environment of other programs: what is built finds its libraries by its own search path.

unpack() {  # unpack ARCHIVE FOLDER
  local sum
  sum=$(cksum <"$1")
  [ "$(cat "$2/.from" 2>/dev/null)" = "$sum" ] && return
  rm -rf "$2" && mkdir -p "$2"
  if command -v xz >/dev/null; then
    xz -dc "$1"
  else
    LD_LIBRARY_PATH=$(dirname "$1")/bin "$(dirname "$1")/bin/xz" -dc "$1"
  fi | tar -C "$2" -x || die "cannot unpack $1"
  echo "$sum" >"$2/.from"
}

use_prefix() {
  local pack=$1 at=$out/prefix lib include config
  [ -s "$pack/libraries.tar.xz" ] || die "--prefix: $pack is no folder of gpu-check --pack"
  unpack "$pack/libraries.tar.xz" "$at"
  unpack "$pack/shared.tar.xz" "$out/shared"
  shared=$out/shared
  lib=$at/lib/$(uname -m)-linux-gnu
  include=$at/include/$(uname -m)-linux-gnu
  command -v ninja >/dev/null || export PATH=$PATH:$at/bin
  # One that needs its own library, which other programs must not get.
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%q exec %q "$@"\n' "$lib" "$at/bin/pkgconf" >"$at/bin/pkg-config"
  chmod +x "$at/bin/pkg-config"
  export PKG_CONFIG_LIBDIR=$lib/pkgconfig:$at/share/pkgconfig
  cmake_arguments=(
    "-DPKG_CONFIG_EXECUTABLE=$at/bin/pkg-config" "-DCMAKE_PREFIX_PATH=$at" "-DCMAKE_LIBRARY_PATH=$lib"
    "-DCMAKE_INCLUDE_PATH=$include" "-DCMAKE_CXX_FLAGS=-isystem $include"
    # RPATH, not RUNPATH: it counts for what the libraries need themselves, too.
    "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags,-rpath,$lib,-rpath-link,$lib"
  )
  for config in "$lib"/cmake/*; do cmake_arguments+=("-D$(basename "$config")_DIR=$config"); done
}
