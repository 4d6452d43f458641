# The stages, in the order in which trouble is cheapest to find. results.sh has what they use: item, table, note, ...

programs_folder() {
  local folder=$root/build/gpu
  [ $rehearse = no ] || folder=$root/build/gpu-rehearsal
  echo "${build:-$folder}/bin"
}
program() { echo "$(programs_folder)/$1"; }

needs() {  # needs PROGRAM...: blocks the stage where one is missing
  local name
  for name in "$@"; do
    [ -x "$(program "$name")" ] && continue
    blocked "there is no $name; stage 2 builds it"
    return 1
  done
}

# suites PROGRAM FILTER SECONDS [COMMAND...]: each suite of tests in a process of its own, so that a kernel that breaks
# the device takes no other suite with it. COMMAND: what runs the program.
suites() {
  local name=$1 filter=$2 seconds=$3 list suite tests
  shift 3
  list=$stage_dir/items/$name.list
  [ -s "$list" ] || run_watched "$hang" "$list" "$list.kernel" \
    "$(program "$name")" --gtest_list_tests "--gtest_filter=$filter"
  while read -r suite tests; do
    item "$name.${suite//\//.}" "$seconds" "$@" "$(program "$name")" "--gtest_filter=$tests"
  done < <(awk '/^[^ ]+\.( |$)/ { suite = $1; next }
                /^  / { if (!(suite in tests)) order[++n] = suite; tests[suite] = tests[suite] ":" suite $1 }
                END { for (i = 1; i <= n; ++i) print without_dot(order[i]), substr(tests[order[i]], 2) }
                function without_dot(s) { return substr(s, 1, length(s) - 1) }' "$list")
}

# How many of the stage's programs passed, as its note.
count_suites() {
  local passed all
  all=$(ls "$stage_dir"/items/*.status 2>/dev/null | wc -l)
  passed=$(grep -lx passed "$stage_dir"/items/*.status 2>/dev/null | wc -l)
  note "$passed of $all passed${1:+; $1}"
}

# Tests name the device that they run on; those of launching and of tensor cores have only that one.
on_cuda='*cuda*:Launch.*:Mma.*'
rehearsed='Launch.*:Backends/Upsample.*/cuda'
filter_for_cuda() { if [ $rehearse = yes ]; then echo "$rehearsed"; else echo "$on_cuda"; fi; }

stage_machine() {
  local probe=$stage_dir/probe name value
  table tools what found
  for name in cmake ninja g++ nvcc compute-sanitizer nvidia-smi; do
    value=$(command -v "$name" || true)
    case "$name" in
      nvidia-smi) ;;
      *) [ -z "$value" ] || value+=", $("$name" --version 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | tail -n 1)" ;;
    esac
    table tools "$name" "${value:-not found}"
  done
  find_torch
  table tools torch "${torch_version:-not found}"
  table tools processor "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) threads"
  if ! command -v nvcc >/dev/null; then
    stage_outcome=failed
    note "there is no nvcc; put the CUDA toolkit's bin folder into PATH"
    return
  fi
  item compile-probe "$hang" nvcc -O1 -std=c++17 -o "$probe" "$root/scripts/gpu_check/probe.cu" -ldl || return
  item probe "$hang" "$probe" || { [ $rehearse = yes ] && put "$stage_dir/items/probe.status" passed; }
  cp "$stage_dir/items/probe.log" "$stage_dir/card.tsv"
  value=$(sed -n 's/^name\t//p' "$stage_dir/card.tsv")
  [ -z "$value" ] || put "$out/card" "$value"
  [ $rehearse = no ] || note "no card is used"
}

find_torch() {
  torch_version=$(timeout 60 python3 -c 'import torch; print(torch.__version__)' 2>/dev/null || true)
}

stage_build() {
  if [ -z "$build" ]; then
    local cuda=ON folder options
    folder=$(dirname "$(programs_folder)")
    [ $rehearse = no ] || cuda=EMULATE
    # Other compilers warn of other things; that shall not stop the check.
    options=(-G Ninja -DCMAKE_BUILD_TYPE=Release "-DBOXCAR_CUDA=$cuda" "-DBOXCAR_CUDA_ARCHITECTURES=$arch"
             -DBOXCAR_WERROR=OFF "-DBOXCAR_SHARED=$shared" "${cmake_arguments[@]}")
    item configure "$limit" cmake -S "$root" -B "$folder" "${options[@]}" || return
    item build "$limit" cmake --build "$folder" --target boxcar gpu_bench gpu_plans runtime_test kernels_test nn_test \
      trainers_test trainers_slow_test || return
  fi
  needs boxcar kernels_test || return
  item first-kernel "$hang" "$(program kernels_test)" --gtest_filter=Launch.EveryThreadOfEveryBlockRunsOnce || return
  grep -q 'PASSED.* 1 test' "$stage_dir/items/first-kernel.log" && return
  stage_outcome=failed
  note "no kernel ran: no CUDA device was found"
}

stage_kernels() {
  needs kernels_test || return
  # Our own kernels; libraries compute convolutions and matrix products in stage 5.
  suites kernels_test "$(filter_for_cuda)" "$hang" env BOXCAR_SYNC=1 BOXCAR_VENDOR=off
  count_suites "a suite of tests is a process"
}

# The sanitizer is tried on one small test first: some machines refuse it.
sanitizer() {
  local tool=$1 trial=$stage_dir/trial.log
  command -v compute-sanitizer >/dev/null || { unavailable "compute-sanitizer was not found"; return; }
  needs kernels_test || return
  local run=(compute-sanitizer --tool "$tool" --error-exitcode 86)
  local refusal='not supported|unable to|failed to initialize|insufficient|internal error'
  if ! run_watched "$hang" "$trial" "$stage_dir/trial.kernel" "${run[@]}" "$(program kernels_test)" \
      --gtest_filter=Launch.EveryThreadOfEveryBlockRunsOnce && grep -qiE "$refusal" "$trial"; then
    unavailable "this machine refuses compute-sanitizer: $(grep -iE -m 1 "$refusal" "$trial")"
    return
  fi
  # Without the pool each tensor is an allocation of its own, and memcheck sees its end.
  suites kernels_test "$(filter_for_cuda)" $((3 * hang)) env BOXCAR_POOL=off BOXCAR_VENDOR=off "${run[@]}"
  count_suites "$tool"
}
stage_memcheck() { sanitizer memcheck; }
stage_racecheck() { sanitizer racecheck; }
stage_initcheck() { sanitizer initcheck; }
stage_synccheck() { sanitizer synccheck; }

stage_together() {
  local filter='*'
  [ $rehearse = no ] || filter=$rehearsed
  needs runtime_test kernels_test || return
  suites runtime_test '*cuda*:Device.*' "$hang"  # the rest reads and writes files
  suites kernels_test "$filter" "$hang"
  count_suites "on the CPU, too; a missing event or a buffer reused too early shows here and not in stage 3"
}

stage_plans() {
  local quick=() scale type scales="n m" types="f32 bf16" has
  needs gpu_plans boxcar || return
  has=$("$(program boxcar)" checks 2>/dev/null | grep -E '^(cuDNN|cuBLASLt): [0-9]' | paste -sd, | sed 's/,/, /')
  if [ $rehearse = yes ]; then
    quick=(quick) scales=n types=bf16
  elif [ -z "$has" ]; then
    unavailable "this build has no vendor library for convolutions on a GPU: kernels of the tree run"
    return
  fi
  mkdir -p "$stage_dir/plans"
  for scale in $scales; do
    for type in $types; do
      item "gpu_plans-$scale-$type" "$limit" "$(program gpu_plans)" "$stage_dir/plans" "yolo11$scale" $type "${quick[@]}"
    done
  done
  cp "$stage_dir"/plans/*.tsv "$stage_dir"  # what they had, if they were stopped
  note "${has:+$has; }each plan is in stages/6/plans/offers_*.txt"
}

stage_steps() {
  needs nn_test || return
  suites nn_test "$([ $rehearse = yes ] && echo 'Backends/Golden*' || echo '*')" "$hang"
  count_suites
}

# Whatever tests of the trainers name a device; in a build whose trainers know none, there are none.
stage_graphs() {
  needs trainers_test trainers_slow_test || return
  suites trainers_test '*cuda*:*Cuda*' "$hang"
  suites trainers_slow_test '*cuda*:*Cuda*' $((2 * hang))
  if ls "$stage_dir"/items/*.status >/dev/null 2>&1; then count_suites; return; fi
  [ "$stage_outcome" = unfinished ] || unavailable "this build has no test of a trainer on a GPU"
}

# draw FOLDER IMAGES SIDE: the shapes data set.
draw() {
  [ -s "$1/data.yaml" ] ||
    item "draw-$3" "$limit" "$(program boxcar)" data shapes "target=$1" "images=$2" "imgsz=$3"
}

# best_map RESULTS.CSV: the largest mAP50-95 of its epochs.
best_map() {
  awk -F, 'NR == 1 { for (i = 1; i <= NF; ++i) if ($i ~ /mAP50-95\(B\)/) column = i; next }
           column && $column > best { best = $column } END { printf "%.3f", best }' "$1"
}

stage_training() {
  needs boxcar || return
  # The training of scripts/demo, for the GPU. The bound is a guess until a card has run it.
  local images=500 side=160 epochs=60 least=0.5 map
  [ $rehearse = no ] || images=8 side=64 epochs=1 least=0
  draw "$out/shapes-$side" "$images" "$side" || return
  item train "$limit" "$(program boxcar)" detect train "data=$out/shapes-$side/data.yaml" model=yolo11n.yaml device=0 \
    "imgsz=$side" "epochs=$epochs" batch=16 nbs=16 close_mosaic=20 optimizer=AdamW lr0=0.002 momentum=0.9 workers=2 \
    cache=ram plots=False "project=$stage_dir/runs" name=train exist_ok=True || return
  map=$(best_map "$stage_dir/runs/train/results.csv")
  table training what value wanted
  table training "mAP50-95, $epochs epochs" "$map" "$least"
  if awk "BEGIN { exit !($map < $least) }"; then
    stage_outcome=failed
    note "mAP50-95 is $map; at least $least is wanted"
  fi
}

stage_benchmarks() {
  needs gpu_bench || return
  local quick=()
  [ $rehearse = no ] || quick=(quick)
  mkdir -p "$stage_dir/bench"
  item gpu_bench "$limit" "$(program gpu_bench)" "$stage_dir/bench" "${quick[@]}"
  cp "$stage_dir"/bench/*.tsv "$stage_dir"  # what it had, if it was stopped
}

# Median images a second of the epochs between the first, which holds the start, and the last.
images_a_second() {  # images_a_second RESULTS.CSV IMAGES
  awk -F, -v images="$2" 'NR == 1 { for (i = 1; i <= NF; ++i) if ($i ~ /^ *time$/) column = i; next }
    NR > 2 { t[NR - 2] = $column - last } { last = $column }
    END { n = NR - 3; if (n < 1) exit
          for (i = 1; i <= n; ++i) for (j = i + 1; j <= n; ++j) if (t[j] < t[i]) { s = t[i]; t[i] = t[j]; t[j] = s }
          m = t[int((n + 1) / 2)]; if (m > 0) printf "%.4g", images / m }' "$1"
}

# throughput SCALE BATCH: trains twice, for the rate and for the time of each stage.
throughput() {
  local scale=$1 batch=$2 run=$stage_dir/runs/$1
  local words=("data=$out/shapes-$side/data.yaml" "model=yolo11$scale.yaml" device=0 "imgsz=$side" "batch=$batch"
               val=False save=False plots=False cache=ram close_mosaic=0 "workers=$((side < 640 ? 0 : 8))"
               "project=$stage_dir/runs" exist_ok=True)
  item "train-$scale" "$limit" "$(program boxcar)" detect train "${words[@]}" "epochs=$epochs" "name=$scale" &&
    table throughput boxcar "yolo11$scale" "$batch" "training, end to end" \
      "$(images_a_second "$run/results.csv" "$(ls "$out/shapes-$side/images/train" | wc -l)")"
  item "profile-$scale" "$limit" "$(program boxcar)" detect train "${words[@]}" epochs=1 profile=True \
    "name=$scale-profile" || return
  table "stages_of_yolo11$scale" stage calls seconds share
  awk '/^stage / { on = 1; next } /^op / { exit } on && NF >= 4 { print $1 "\t" $2 "\t" $3 "\t" $4 }' \
    "$run-profile/profile.txt" >>"$stage_dir/stages_of_yolo11$scale.tsv"
}

torch_step() {  # torch_step SCALE BATCH MODE
  local words=(--scale "$1" --imgsz "$side" --batch "$2" --mode "$3")
  [ $rehearse = no ] || words+=(--device cpu --steps 2 --warm-up 1)
  item "torch-$1-$3" "$limit" python3 "$root/bench/torch_step.py" "${words[@]}" &&
    table throughput torch "yolo11$1" "$2" "step alone, $3" "$(tail -n 1 "$stage_dir/items/torch-$1-$3.log")"
}

stage_throughput() {
  needs boxcar || return
  local side=640 images=2048 epochs=5 scale batch mode modes="eager compiled" scales="n m"
  [ $rehearse = no ] || side=64 images=8 epochs=3 modes=eager scales=n
  draw "$out/shapes-$side" "$images" "$side" || return
  find_torch
  [ -n "$torch_version" ] || note "torch was not found: nothing to compare with"
  table throughput program network batch what "images/s"
  for scale in $scales; do
    batch=$([ $rehearse = yes ] && echo 2 || { [ $scale = n ] && echo 64 || echo 32; })
    throughput $scale "$batch"
    [ -n "$torch_version" ] || continue
    for mode in $modes; do torch_step $scale "$batch" "$mode"; done
  done
}
