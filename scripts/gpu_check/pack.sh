# gpu-check --pack DIR: what a GPU machine without packages may lack, taken from this Debian or Ubuntu:
#   DIR/libraries.tar.xz   headers, libraries, CMake and pkg-config files, ninja, pkg-config
#   DIR/shared.tar.xz      the golden numbers that the stages read
#   DIR/bin/xz             in case there is none
# Nothing is installed here or there; prefix.sh unpacks it.

pack_packages=(
  libdnnl-dev libhwy-dev libyaml-cpp-dev libfmt-dev nlohmann-json3-dev libstb-dev zlib1g-dev libzip-dev
  libpugixml-dev libcairo2-dev libfontconfig-dev libgtest-dev googletest ninja-build pkgconf-bin xz-utils liblzma5
)
pack_most_bytes=$((40 << 20))
# Libraries that every machine with a compiler has.
pack_base='^(ld-linux|libc|libm|libdl|librt|libpthread|libresolv|libgcc_s|libstdc\+\+|libgomp)[-.]'

pack_fail() { echo "gpu-check --pack: $*" >&2; exit 1; }

# fetch FOLDER PACKAGE...: their files, below FOLDER/prefix, with / and /usr as one; the archives are left in FOLDER/new.
fetch() {
  local work=$1 deb
  shift
  rm -rf "$work/new" && mkdir "$work/new"
  (cd "$work/new" && apt-get -qq -o APT::Sandbox::User=root download "$@") ||
    pack_fail "cannot download all of: $*; is apt-get update needed?"
  for deb in "$work"/new/*.deb; do
    rm -rf "$work/one" && dpkg-deb -x "$deb" "$work/one" || pack_fail "cannot unpack $deb"
    [ ! -d "$work/one/usr" ] || cp -a "$work/one/usr/." "$work/prefix/"
    [ ! -d "$work/one/lib" ] || cp -a "$work/one/lib" "$work/prefix/"
  done
}

# The libraries that -dev packages in FOLDER/new ask for in their own version.
libraries_of_headers() {
  local deb
  for deb in "$1"/new/*.deb; do
    dpkg-deb -f "$deb" Depends | grep -oE '[a-z0-9.+-]+ \(= [^)]*\)' | cut -d' ' -f1
  done | grep -vE -- '-(dev|bin|perl)$' | sort -u
}

# The names of libraries that those in FOLDER need and that are neither there nor everywhere.
missing_libraries() {
  find "$1" -name '*.so*' -type f -exec readelf -d {} + 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u |
    grep -vE "$pack_base" | while read -r name; do
    [ -n "$(find "$1" -name "$name" -print -quit)" ] || echo "$name"
  done
}

# package_of FILE: the package that it came from on this machine.
package_of() { dpkg -S "*/$1" 2>/dev/null | sed -n 's/^\([^:,]*\).*/\1/p' | head -n 1; }

fetch_libraries() {
  local work=$1 name jpeg packages
  jpeg=$(package_of jpeglib.h)  # its name is the distribution's
  [ -n "$jpeg" ] || pack_fail "jpeglib.h is not installed; run scripts/install-packages first"
  fetch "$work" "${pack_packages[@]}" "$jpeg"
  fetch "$work" $(libraries_of_headers "$work")
  while packages=() && mapfile -t missing < <(missing_libraries "$work/prefix") && [ ${#missing[@]} -gt 0 ]; do
    for name in "${missing[@]}"; do
      packages+=("$(package_of "$name")")
      [ -n "${packages[-1]}" ] || pack_fail "no package of this machine holds $name; run scripts/install-packages first"
    done
    fetch "$work" $(printf '%s\n' "${packages[@]}" | sort -u)
  done
}

# Files find each other from wherever the folder lies; what the build does not read goes, and with it what pkg-config
# files say of the headers of other packages.
make_movable() {
  local prefix=$1 link file
  rm -rf "$prefix"/share/{doc,man,lintian,info,locale,bug,gtk-doc,perl5,bash-completion,doc-base,emacs,vim,zsh,gdb} \
    "$prefix"/src "$prefix"/sbin "$prefix"/etc "$prefix"/games
  # CMake's files insist on the static libraries that they name.
  find "$prefix" -name '*.a' | while read -r file; do
    grep -rqsF "/$(basename "$file")" "$prefix"/lib/*/cmake || rm "$file"
  done
  find "$prefix/bin" -type f ! -name ninja ! -name pkgconf -delete
  find "$prefix" -type l | while read -r link; do
    case "$(readlink "$link")" in /*) ln -sfn "$(basename "$(readlink "$link")")" "$link" ;; esac
  done
  find "$prefix" -xtype l -delete
  find "$prefix" -name '*.pc' | while read -r file; do
    local up='${pcfiledir}/../..'
    [[ "$file" = */share/pkgconfig/* ]] || up='${pcfiledir}/../../..'
    sed -i "s|/usr|$up|g; /^Requires/d; /^Libs.private/d" "$file"
  done
}

pack_shared() {
  tar -C "$shared" -cJf "$1" --exclude='golden/loss/step_tiny26*' --exclude='golden/model/checkpoint' \
    --exclude='golden/model/hostile' golden/loss golden/model golden/metrics golden/trainer \
    $(cd "$shared" && ls golden/data/{affine,hsv,mix}.{json,safetensors} golden/data/README* 2>/dev/null)
}

make_pack() {
  local bytes name
  for name in apt-get apt-cache dpkg-deb readelf xz; do
    command -v $name >/dev/null || pack_fail "$name was not found; packs are made on Debian or Ubuntu"
  done
  shared=${BOXCAR_SHARED:-$root/../shared}
  [ -d "$shared/golden" ] || pack_fail "there are no golden numbers in $shared; BOXCAR_SHARED names their folder"
  mkdir -p "$1/bin" || pack_fail "cannot make $1"
  work=$(mktemp -d)  # not local: the trap runs later
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/prefix"
  fetch_libraries "$work"
  cp "$work/prefix/bin/xz" "$1/bin/" && cp -L "$work/prefix/lib/$(uname -m)-linux-gnu/liblzma.so.5" "$1/bin/"
  make_movable "$work/prefix"
  tar -C "$work/prefix" -cJf "$1/libraries.tar.xz" . || pack_fail "cannot write to $1"
  pack_shared "$1/shared.tar.xz" || pack_fail "cannot pack $shared"
  bytes=$(du -sb "$1" | cut -f1)
  echo "gpu-check --pack: $1 has $((bytes >> 20)) MiB; on the GPU machine run: scripts/gpu-check --prefix DIR"
  [ "$bytes" -le $pack_most_bytes ] || pack_fail "that is more than $((pack_most_bytes >> 20)) MiB"
}
