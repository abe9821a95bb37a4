#!/usr/bin/env bash
# Everything that the library has to show on one GPU, in about nine minutes: tests, sanitizers, benchmarks with PyTorch's in turns, trainings, a profile.
#
#   OUT=DIR ./run.sh         into DIR (./results if unset), at most 8 files; the table at the end is DIR/table.txt
#
#   GPU_CHECK_SECONDS   of all steps together, 540 if unset: what comes later is shortened, then left out
#   GPU_CHECK_LIMIT     most seconds of one step
#   GPU_CHECK_ONLY      a regular expression: steps whose names do not match are left out
#   SDEPTH_BENCH_STEPS  steps of a training that is timed, 100 if unset
#   CIFAR10             a folder with CIFAR-10's binary files; unset: the trainings are on procedural pictures in the same layout and number
#   PYTHON              the interpreter that has PyTorch, python3 if unset
#
# Every step is a process of its own with its own limit of time, and none stops the next. What a step says is in its file as it says it, so whoever ends this script
# has what came before. The steps come in the order of what they are worth. The status is that of the steps: 0 where none failed.
set -u
set +o posix
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here/results}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
work=$(mktemp -d)
trap 'rm -rf "$work"; [[ ${torch_search:-} && ! ${has_torch:-} ]] && kill "$torch_search" 2>/dev/null' EXIT
cd "$here" || exit 2
export SDEPTH_TESTS_DIR=$here/tests PYTHONUNBUFFERED=1 SDEPTH_BENCH_STEPS=${SDEPTH_BENCH_STEPS:-100}
python=${PYTHON:-python3}
seconds_in_all=${GPU_CHECK_SECONDS:-540}
most=${GPU_CHECK_LIMIT:-540}
patience=$((most < 10 ? most : 10))  # after the limit, before a step is killed
only=${GPU_CHECK_ONLY:-.}
failed=0
table=$out/table.txt
: >"$table"

# Where nobody has the device open the driver takes seconds to wake it up, for each of our processes anew.
[[ -r /dev/nvidia0 ]] && exec 9</dev/nvidia0

# row NAME SECONDS VERDICT: one line of the table, on the disk at once, so that it is there if everything is killed.
row() { printf '%-34s %5s s  %s\n' "$1" "$2" "$3" | cut -c1-240 | tee -a "$table"; }

# said FILE OFFSET: what a step has to say in one line: a sanitizer its sum and its first finding, a test how much failed and what first, anything else its last sentence.
said() {
  local of_step=$work/said sum first
  tail -c +"$(($2 + 1))" "$1" | tr -d '\r' >"$of_step"
  sum=$(grep -a '^=* [A-Z]* SUMMARY: ' "$of_step" | tail -n 1)
  first=$(grep -a '^========= [A-Z]' "$of_step" | grep -a -v -m 1 'COMPUTE-SANITIZER\|SUMMARY: ')
  if [[ ! $sum ]]; then
    sum=$(grep -a 'assertions: ' "$of_step" | tail -n 1 | tr -s ' ')
    first=$(grep -a -m 1 'ERROR: ' "$of_step")
  fi
  if [[ $sum ]]; then
    sum=${sum#=* } first=${first#=* }
    echo "${sum#*\] }${first:+ ${first#*/tests/}}"
  else
    tail -c 4000 "$of_step" | grep -a -v '^[[:space:]]*$' | tail -n 1
  fi
}

# step NAME LIMIT FILE COMMAND...: runs it, appends what it says to FILE, and a row to the table. Returns whether it has not failed.
step() {
  local name=$1 limit=$2 file=$out/$3 begin=$SECONDS left status last offset size
  shift 3
  [[ $name =~ $only ]] || return 0
  left=$((seconds_in_all - SECONDS))
  ((limit > most)) && limit=$most
  ((limit > left)) && limit=$left
  if ((limit < 2)); then
    row "$name" 0 "left out: the $seconds_in_all seconds are over"
    return 0
  fi
  printf '\n===== %s: %s\n' "$name" "$*" >>"$file"
  offset=$(stat -c %s "$file")
  timeout --signal="${stop_by:-TERM}" --kill-after="$patience" "$limit" "$@" >>"$file" 2>&1 9<&-
  status=$?
  last=$(said "$file" "$offset")
  # A file that somebody can read: of what a step says the beginning and the end.
  size=$(($(stat -c %s "$file") - offset))
  if ((size > 400000)); then
    { head -c $((offset + 200000)) "$file" && printf '\n[…]\n' && tail -c 100000 "$file"; } >"$work/shorter" && cat "$work/shorter" >"$file"
  fi
  # A benchmark that could not run says so in its row, and the program goes on.
  if ((status == 0)) && [[ $last == *"ERROR OCCURRED: "* ]]; then
    last=${last#*ERROR OCCURRED: }
    [[ $last == "'skipped: "* ]] && status=77 || status=1
  fi
  if ((status == 0)); then
    row "$name" $((SECONDS - begin)) "ok: $last"
  elif ((status == 77)); then
    row "$name" $((SECONDS - begin)) "$last"
  elif ((status == 124 || status == 137)); then
    if [[ ${stop_by:-} == INT ]]; then
      row "$name" $((SECONDS - begin)) "ended at its limit: $last"
    else
      row "$name" $((SECONDS - begin)) "STOPPED after $limit s: $last"
      failed=1
      return 1
    fi
  else
    row "$name" $((SECONDS - begin)) "FAILED ($status): $last"
    failed=1
    return 1
  fi
}
# skip NAME REASON: the row of a step that cannot run here.
skip() { [[ $1 =~ $only ]] && row "$1" 0 "skipped: $2"; }
# tool NAME: its path, where the machine has it.
tool() {
  local found
  for found in "$(command -v "$1")" /usr/local/cuda/bin/"$1" /opt/nvidia/nsight-compute/*/"$1"; do
    [[ -x $found ]] && echo "$found" && return 0
  done
  return 1
}

device() {
  nvidia-smi || return
  nvidia-smi -q -d CLOCK,POWER,PERFORMANCE,MEMORY
  uname -sr
  nproc
}
device_step() {
  command -v nvidia-smi >/dev/null && step device 20 device.txt "$BASH" -c "$(declare -f device); device | sed -n '1,140p'; nvidia-smi -L"
  step ceilings 30 device.txt ./bench --benchmark_filter='^cuda/ceilings'
}

# Those that fail a second time under memcheck, which names the kernel and the line of what touches memory that is not there.
tests() {
  local file sanitizer broken=()
  for file in convolution weight_gradient finish trainer norm pool head update step pytorch images gates context dropout bfloat16 bfloat16_training rounding rounding_training per_sample persistent \
    shared_batch; do
    CUDA_LAUNCH_BLOCKING=1 step "tests/$file" 30 tests.txt ./test_cuda_device --source-file="*/cuda/${file}_test.cpp" || broken+=("$file")
  done
  # As users run it: nothing waits for anything else than what it needs.
  step tests/trainer/overlapped 30 tests.txt ./test_cuda_device --source-file='*/cuda/trainer_test.cpp'
  step 08_cuda 20 tests.txt ./08_cuda
  sanitizer=$(tool compute-sanitizer) || return
  for file in "${broken[@]:0:3}"; do
    CUDA_LAUNCH_BLOCKING=1 step "memcheck/$file" 30 sanitizers.txt "$sanitizer" --tool memcheck --print-limit 20 --error-exitcode 9 ./test_cuda_device \
      --source-file="*/cuda/${file}_test.cpp"
  done
}

# Whether there is PyTorch, in the background while the tests run: the first time that it is read takes long.
torch_there() { exec timeout 100 "$python" -c 'import torch' >/dev/null 2>&1 9<&-; }

# Our steps and PyTorch's by turns, so that a clock that changes meets both.
benchmarks() {
  local precision
  for precision in float32 tf32; do
    step "train_step/$precision" 40 bench.txt ./bench --benchmark_filter="^cuda/(ceilings|train_step/resnet110/$precision/)"
    contender "pytorch/$precision" 50 "$precision" eager graph
  done
}
more_benchmarks() {
  step train_step/bf16 30 bench.txt ./bench --benchmark_filter='^cuda/(ceilings|train_step/resnet110/(bf16|tf32x3).*/survival:[0-9.]*/(persistent/)?iterations)'
  contender pytorch/bf16 45 bf16 eager graph
  step convolutions 40 bench.txt ./bench --benchmark_filter='^cuda/(ceilings|conv/)'
}
# contender NAME LIMIT PRECISION MODE...
contender() {
  local name=$1 limit=$2
  shift 2
  [[ $name =~ $only ]] || return 0
  if [[ ! ${has_torch:-} ]]; then
    wait "$torch_search" && has_torch=yes || has_torch=no
  fi
  if [[ $has_torch == yes ]]; then
    step "$name" "$limit" bench.txt "$python" torch_contender.py "$@"
  else
    skip "$name" "$python has no PyTorch"
  fi
}

# As many epochs as fit, with the schedule that ends there; a run that is stopped all the same ends its step and saves.
trainings() {
  local survival
  if [[ ! ${CIFAR10:-} ]]; then
    step "pictures" 60 trainings.txt ./cifar_layout "$work/cifar10"
    CIFAR10=$work/cifar10
  fi
  for survival in 1.0 0.5; do
    stop_by=INT step "training/survival:$survival" 45 trainings.txt ./train --device cuda --tf32 --model resnet110 --data cifar10 --data-dir "$CIFAR10" --schedule linear \
      --survival "$survival" --epochs 500 --time-limit 0.5 --warm-up 1 --seed 1 --out "$work/training_$survival"
    [[ -f $work/training_$survival/metrics.csv ]] && cat "$work/training_$survival/metrics.csv" >>"$out/trainings.txt"
  done
}

# Cases with every kernel of a step in them; a sanitizer makes each ten to a hundred times slower.
sanitizers() {
  local sanitizer kind
  local cases='*CIFAR ResNets agree*,cuda: finish writes*,cuda: finish_backward masks*,cuda: linear layers*,cuda: shortcuts*,steps with drawn gates*'
  if ! sanitizer=$(tool compute-sanitizer); then
    for kind in memcheck racecheck synccheck initcheck; do skip "$kind" "there is no compute-sanitizer on this machine"; done
    return
  fi
  for kind in memcheck racecheck; do
    CUDA_LAUNCH_BLOCKING=1 step "$kind" 40 sanitizers.txt "$sanitizer" --tool "$kind" --print-limit 50 --error-exitcode 9 ./test_cuda_device --test-case="$cases"
  done
  for kind in initcheck synccheck; do
    CUDA_LAUNCH_BLOCKING=1 step "$kind" 25 sanitizers.txt "$sanitizer" --tool "$kind" --print-limit 50 --error-exitcode 9 ./test_cuda_device \
      --test-case='steps with drawn gates*,a run of blocks in one launch*'
  done
}

profile() {
  local ncu kernel precision
  if ! ncu=$(tool ncu); then
    skip profile "there is no ncu on this machine"
    return
  fi
  # The kernels of a step, each alone on the device: what of a step is not theirs is waiting.
  for precision in tf32 float32; do
    SDEPTH_BENCH_STEPS=2 step "profile/step/$precision" 30 profile.txt "$ncu" --metrics gpu__time_duration.sum --print-summary per-kernel --print-kernel-base demangled --clock-control none \
      --cache-control none --launch-skip 680 --launch-count 340 ./bench --benchmark_filter="^cuda/train_step/resnet110/$precision/survival:1.0/iterations"
  done
  for kernel in forward/16x32/tf32 weight_gradient/16x32/tf32 forward/64x8/tf32 block_input_gradient/16x32/float32 forward/16x32/float32 weight_gradient/32x16/float32; do
    step "profile/$kernel" 20 profile.txt "$ncu" --set full --kernel-name 'regex:conv_|weight_gradient' --launch-skip 8 --launch-count 1 --clock-control none \
      ./bench --benchmark_filter="^cuda/conv/$kernel/"
  done
}

torch_there &
torch_search=$!
device_step
tests
benchmarks
trainings
sanitizers
more_benchmarks
profile
contender pytorch/compiled 75 tf32 compiled
step train_step/again 30 bench.txt ./bench --benchmark_filter='^cuda/(ceilings|train_step/resnet110/(float32|tf32)/survival:[0-9.]*/iterations)'

# What is to be compared, once more at the end.
grep -h '^cuda/ceilings\|^cuda/train_step\|^cuda/conv\|^pytorch' "$out/bench.txt" 2>/dev/null | grep -v 'ERROR OCCURRED' | sed 's/  */ /g; s/iterations:[0-9]*.real_time//' | cut -c1-230

printf '\n%s steps, %s of them failed, in %s s\n' "$(grep -c . "$table")" "$(grep -c 's  FAILED\|s  STOPPED' "$table")" "$SECONDS" | tee -a "$table"
exit $failed
