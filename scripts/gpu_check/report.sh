# The report, in Markdown and in JSON, from the files that results.sh keeps. Written anew after each stage.

# Reads a table (tabs, names first) and writes it as Markdown.
markdown_table() {
  awk -F'\t' '{
    gsub(/\|/, "\\|"); line = "|"
    for (i = 1; i <= NF; ++i) line = line " " $i " |"
    print line
    if (NR == 1) { rule = "|"; for (i = 1; i <= NF; ++i) rule = rule " --- |"; print rule }
  }' "$@"
}

# The same as JSON: an array of objects.
json_table() {
  awk -F'\t' '
    function text(s) { gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); gsub(/[\001-\037]/, " ", s); return "\"" s "\"" }
    function value(s) { return s ~ /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/ ? s : text(s) }
    NR == 1 { for (i = 1; i <= NF; ++i) name[i] = text($i); names = NF; next }
    { line = NR > 2 ? ", {" : "{"
      for (i = 1; i <= names; ++i) line = line (i > 1 ? ", " : "") name[i] ": " value($i)
      printf "%s}", line }
    BEGIN { printf "[" } END { printf "]" }' "$@"
}

json_text() { printf '"%s"' "$(printf '%s' "$1" | tr '\000-\037' ' ' | sed 's/\\/\\\\/g; s/"/\\"/g')"; }

card_name() {
  if [ $rehearse = yes ]; then echo "an emulated card"; else read_or "$out/card" "no card"; fi
}
source_version() {
  (cd "$root" && git rev-parse --short HEAD && { git diff --quiet HEAD || echo "with changes"; }) 2>/dev/null |
    paste -sd' ' | grep . || echo unknown
}

markdown_stage() {  # markdown_stage ID
  local dir=$out/stages/$1 file rows
  printf '\n## %s. %s\n\n%s' "$1" "$(cat "$dir/title")" "$(stage_status "$1")"
  [ ! -s "$dir/note" ] || printf ': %s' "$(cat "$dir/note")"
  printf '\n'
  rows=$(failures "$dir")
  [ -z "$rows" ] || { printf '\n'; printf 'program\tended\tlast kernel\tsaid\n%s\n' "$rows" | markdown_table; }
  for file in "$dir"/*.tsv; do
    [ -s "$file" ] || continue
    printf '\n%s:\n\n' "$(basename "$file" .tsv | tr _ ' ')"
    markdown_table "$file"
  done
}

markdown_report() {
  local stage id
  printf '# boxcar on %s\n\n' "$(card_name)"
  [ $rehearse = no ] || printf 'A rehearsal without a GPU: kernels are emulated, sizes tiny, times mean nothing.\n\n'
  printf 'Source %s, written %s by `scripts/gpu-check` (docs/gpu/README.md).\n\n' "$(source_version)" "$(date -u +%F)"
  for stage in "stage"$'\t'"what"$'\t'"result"$'\t'"seconds" "${all_stages[@]}"; do
    if [[ "$stage" = *$'\t'* ]]; then printf '%s\n' "$stage"; continue; fi
    read -r id _ title <<<"$stage"
    printf '%s\t%s\t%s\t%s\n' "$id" "$title" "$(stage_status "$id")" "$(read_or "$out/stages/$id/seconds" "")"
  done | markdown_table
  for stage in "${all_stages[@]}"; do
    id=${stage%% *}
    [ ! -s "$out/stages/$id/status" ] || markdown_stage "$id"
  done
}

json_stage() {  # json_stage ID TITLE
  local dir=$out/stages/$1 file
  printf '{"stage": "%s", "title": %s, "status": "%s", "seconds": %s, "note": %s,\n   "failures": ' "$1" \
    "$(json_text "$2")" "$(stage_status "$1")" "$(read_or "$dir/seconds" null)" \
    "$(json_text "$(read_or "$dir/note" "")")"
  { printf 'program\tended\tlast kernel\tsaid\n'; failures "$dir"; } | json_table
  printf ', "tables": {'
  local comma=""
  for file in "$dir"/*.tsv; do
    [ -s "$file" ] || continue
    printf '%s\n   "%s": ' "$comma" "$(basename "$file" .tsv)"
    json_table "$file"
    comma=,
  done
  printf '}}'
}

json_report() {
  local stage id title comma=""
  printf '{"card": %s, "source": %s, "date": "%s", "rehearsal": %s, "stages": [' "$(json_text "$(card_name)")" \
    "$(json_text "$(source_version)")" "$(date -u +%F)" "$([ $rehearse = yes ] && echo true || echo false)"
  for stage in "${all_stages[@]}"; do
    read -r id _ title <<<"$stage"
    printf '%s\n  ' "$comma"
    json_stage "$id" "$title"
    comma=,
  done
  printf '\n]}\n'
}

# To $out; from a real card to docs/gpu, too.
write_report() {
  local folder name
  for folder in "$out" "$root/docs/gpu"; do
    name=report
    if [ "$folder" != "$out" ]; then
      [ $rehearse = no ] && [ -s "$out/card" ] || continue
      name=$(card_name | tr 'A-Z' 'a-z' | tr -cs 'a-z0-9\n' -)
    fi
    markdown_report >"$folder/$name.md.new" && mv "$folder/$name.md.new" "$folder/$name.md"
    json_report >"$folder/$name.json.new" && mv "$folder/$name.json.new" "$folder/$name.json"
  done
}
