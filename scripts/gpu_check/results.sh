# What stages found, as small files in $out/stages/ID:
#   title, status, seconds, note     status: passed, failed, unavailable; or unfinished, blocked: the next run goes on
#   NAME.tsv                         tables for the report, a line of names first
#   items/NAME.{status,log,kernel}   the programs that the stage ran; status: passed, failed, stopped

# read_or FILE DEFAULT: its first line.
read_or() {
  local line=$2
  [ ! -s "$1" ] || read -r line <"$1"
  echo "$line"
}
stage_status() { read_or "$out/stages/$1/status" "not run"; }

put() {  # put FILE TEXT: at once, never half
  printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"
}

begin_stage() {  # begin_stage ID TITLE: fails if there is nothing to do
  local was
  was=$(stage_status "$1")
  stage_dir=$out/stages/$1
  case "$was" in
    passed) [ -z "$only" ] || rm -rf "$stage_dir" ;;
    failed | unavailable) [ -z "$only" ] && [ $again = no ] || rm -rf "$stage_dir" ;;
  esac
  case "$(stage_status "$1")" in
    passed | unavailable | failed) echo "== $1 $2: $was already"; return 1 ;;
  esac
  mkdir -p "$stage_dir/items"
  put "$stage_dir/title" "$2"
  rm -f "$stage_dir"/note "$stage_dir"/*.tsv
  stage_outcome="" stage_start=$SECONDS stage_end=$((SECONDS + limit))
  echo "== $1 $2"
}

end_stage() {
  local before
  if [ -z "$stage_outcome" ]; then
    stage_outcome=passed
    grep -qsE 'failed|stopped' "$stage_dir"/items/*.status && stage_outcome=failed
  fi
  before=$(read_or "$stage_dir/seconds" 0)
  put "$stage_dir/seconds" $((before + SECONDS - stage_start))
  put "$stage_dir/status" "$stage_outcome"
  failures "$stage_dir" | awk -F'\t' '{ print "   " $1 " " $2 ($3 == "" ? "" : " (last kernel: " $3 ")") ": " $4 }'
  echo "   $stage_outcome, $((SECONDS - stage_start)) s$(sed 's/^/: /' "$stage_dir/note" 2>/dev/null)"
}

note() { put "$stage_dir/note" "$*"; }
unavailable() { stage_outcome=unavailable; note "$@"; }
blocked() { stage_outcome=blocked; note "$@"; }

# table NAME VALUE...: adds a line to a table.
table() {
  local file=$stage_dir/$1.tsv line
  shift
  printf -v line '%s\t' "${@//[$'\t\n']/ }"
  printf '%s\n' "${line%$'\t'}" >>"$file"
}

# item NAME SECONDS COMMAND...: runs it once, however often gpu-check is started. Fails if it did not pass. What is cut
# off because the stage's time is over has not hung: the stage is unfinished, and the next run repeats it.
item() {
  local at=$stage_dir/items/$1 seconds=$2 left=$((stage_end - SECONDS)) code
  shift 2
  [ ! -s "$at.status" ] || { [ "$(read_or "$at.status" "")" = passed ]; return; }
  if [ $left -lt 1 ]; then
    stage_outcome=unfinished
    return 1
  fi
  run_watched $((left < seconds ? left : seconds)) "$at.log" "$at.kernel" "$@"
  code=$?
  if [ $code = 0 ]; then
    put "$at.status" passed
  elif [ $code != 124 ]; then
    put "$at.status" failed
  elif [ $left -ge "$seconds" ]; then
    put "$at.status" stopped
  else
    stage_outcome=unfinished
  fi
  return $code
}

# What a program said before it failed: the tests that failed, the test it ended in, or its last words.
last_words() {
  local failed
  failed=$(sed -n 's/^\[  FAILED  \] \([^ ,]*\).*/\1/p' "$1" | sort -u | head -n 8 | paste -sd' ')
  [ -n "$failed" ] || failed=$(sed -n 's/^\[ RUN      \] /in /p' "$1" | tail -n 1)
  [ -n "$failed" ] || failed=$(grep -v '^gpu-check: ' "$1" | grep -v '^[[:space:]]*$' | tail -n 1)
  printf '%s' "$failed" | LC_ALL=C tr -c '[:print:]' ' ' | cut -c 1-400
}

# failures STAGE-FOLDER: name, status, last kernel and last words of each program that did not pass, with tabs between.
failures() {
  local file at state
  for file in "$1"/items/*.status; do
    [ -e "$file" ] || continue
    read -r state <"$file"
    [ "$state" != passed ] || continue
    at=${file%.status}
    printf '%s\t%s\t%s\t%s\n' "${at##*/}" "$state" "$(last_kernel "$at.kernel")" \
      "$(last_words "$at.log")"
  done
}
