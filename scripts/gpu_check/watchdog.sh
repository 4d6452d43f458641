# Programs with an end: what takes too long is stopped, and the name of the last kernel is kept.

watched=""  # the process group that is at work

stop_group() {  # stop_group PID: politely, then by force; a process stuck in the driver is left alone
  local signal tries
  for signal in TERM KILL; do
    kill -$signal -- "-$1" 2>/dev/null
    for ((tries = 0; tries < 50; ++tries)); do
      kill -0 -- "-$1" 2>/dev/null || return 0
      sleep 0.1
    done
  done
  echo "gpu-check: process group $1 does not end" >&2
  return 1
}
trap '[ -z "$watched" ] || stop_group "$watched"; exit 130' INT TERM HUP

# run_watched SECONDS LOG KERNEL-FILE COMMAND...: its exit status, or 124 if it had to be stopped. Each launch writes
# the kernel's name into KERNEL-FILE (runtime/device/last_kernel.h).
run_watched() {
  local seconds=$1 log=$2 kernel=$3 end=$((SECONDS + $1)) pid
  shift 3
  rm -f "$kernel"
  BOXCAR_LAST_KERNEL=$kernel setsid "$@" >"$log" 2>&1 </dev/null 9>&- &
  pid=$! watched=$!
  while kill -0 "$pid" 2>/dev/null; do
    if [ $SECONDS -ge $end ]; then
      echo "gpu-check: stopped after $seconds s" >>"$log"
      stop_group "$pid" && wait "$pid" 2>/dev/null
      watched=""
      return 124
    fi
    sleep 0.1
  done
  watched=""
  wait "$pid"
}

last_kernel() { [ ! -s "$1" ] || head -n 1 "$1" | tr -d '\000'; }
