# Sourced by bench/compare and bench/coco-check: finds boxcar and makes the Python environment with the reference.
# $BOXCAR is the program (build/release/bin/boxcar), $PYTHON the interpreter the environment is made with (python3).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$root/build/compare
environment=$work/venv
export BOXCAR=${BOXCAR:-$root/build/release/bin/boxcar}

stop() { echo "${0##*/}: $*" >&2; exit 1; }

need_boxcar() {
  [ -x "$BOXCAR" ] || stop "there is no program $BOXCAR: build it (cmake --preset release && cmake --build build/release)" \
    "or name another in the variable BOXCAR"
}

# Made once; again when requirements.txt changes. pip's own settings (PIP_INDEX_URL, PIP_FIND_LINKS, ...) hold.
need_environment() {
  local requirements=$root/bench/reference/requirements.txt python=${PYTHON:-python3}
  local log=$work/install.log
  cmp -s "$requirements" "$environment/installed.txt" && return
  command -v "$python" >/dev/null ||
    stop "there is no $python: install Python 3.11 or newer (Debian: python3 python3-venv), or name one in PYTHON"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop "$("$python" --version) is too old for the reference's framework: name Python 3.11 or newer in PYTHON"
  mkdir -p "$work"
  rm -rf "$environment"
  "$python" -m venv "$environment" >"$log" 2>&1 ||
    stop "$python cannot make a virtual environment with pip, see $log (Debian: install python3-venv)"
  echo "installing the reference into $environment: about 3 GB to fetch, 6 GB on disk, once" >&2
  "$environment/bin/python" -m pip install --disable-pip-version-check -r "$requirements" >>"$log" 2>&1 ||
    stop "pip could not install $requirements, see $log; it needs a network or wheels in PIP_FIND_LINKS"
  cp "$requirements" "$environment/installed.txt"
}
