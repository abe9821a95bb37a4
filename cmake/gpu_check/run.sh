#!/usr/bin/env bash
# Everything that the library has to show on one GPU, in about nine minutes: tests, sanitizers, benchmarks with PyTorch's in turns, trainings, a profile.
#
#   OUT=DIR ./run.sh         into DIR (./results if unset), at most 8 files; the table at the end is DIR/table.txt
#
#   GPU_CHECK_SECONDS   of all steps together, 540 if unset: what comes later is shortened, then left out
#   GPU_CHECK_LIMIT     most seconds of one step
#   GPU_CHECK_ONLY      a regular expression: steps whose names do not match are left out
#   CIFAR10             a folder with CIFAR-10's binary files; unset: the trainings are on procedural pictures in the same layout and number
#   PYTHON              the interpreter that has PyTorch, python3 if unset
#
# Every step is a process of its own with its own limit of time, and none stops the next. The status is that of the steps: 0 where none failed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here/results}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$here" || exit 2
export SDEPTH_TESTS_DIR=$here/tests PYTHONUNBUFFERED=1
python=${PYTHON:-python3}
seconds_in_all=${GPU_CHECK_SECONDS:-540}
most=${GPU_CHECK_LIMIT:-540}
patience=$((most < 10 ? most : 10))  # after the limit, before a step is killed
only=${GPU_CHECK_ONLY:-.}
failed=0
table=$out/table.txt
: >"$table"

# row NAME SECONDS VERDICT: one line of the table, on the disk at once, so that it is there if everything is killed.
row() { printf '%-34s %5s s  %s\n' "$1" "$2" "$3" | cut -c1-200 | tee -a "$table"; }

# step NAME LIMIT FILE COMMAND...: runs it, appends what it says to FILE, and a row with its last sentence to the table.
step() {
  local name=$1 limit=$2 file=$out/$3 begin=$SECONDS left status last
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
  timeout --signal="${stop_by:-TERM}" --kill-after="$patience" "$limit" "$@" >"$work/said" 2>&1
  status=$?
  cat "$work/said" >>"$file"
  last=$(tail -c 4000 "$work/said" | tr -d '\r' | grep -v '^[[:space:]]*$' | tail -n 1)
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
    fi
  else
    row "$name" $((SECONDS - begin)) "FAILED ($status): $last"
    failed=1
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

tests() {
  local file
  for file in convolution weight_gradient finish pool head norm update gates images context dropout bfloat16 bfloat16_training per_sample trainer persistent step pytorch; do
    CUDA_LAUNCH_BLOCKING=1 step "tests/$file" 40 tests.txt ./test_cuda_device --source-file="*/cuda/${file}_test.cpp"
  done
  step tests/trainer/overlapped 30 tests.txt ./test_cuda_device --source-file='*/cuda/trainer_test.cpp'
  step 08_cuda 30 tests.txt ./08_cuda
}

# Cases with every kernel of a step in them; a sanitizer makes each ten to a hundred times slower.
sanitizers() {
  local sanitizer kind
  local cases='*CIFAR ResNets agree*,cuda: finish writes*,cuda: finish_backward masks*,cuda: linear layers*,cuda: shortcuts*,steps with drawn gates*'
  if ! sanitizer=$(tool compute-sanitizer); then
    for kind in memcheck racecheck synccheck initcheck; do skip "$kind" "there is no compute-sanitizer on this machine"; done
    return
  fi
  for kind in memcheck racecheck synccheck; do
    CUDA_LAUNCH_BLOCKING=1 step "$kind" 45 sanitizers.txt "$sanitizer" --tool "$kind" --error-exitcode 9 ./test_cuda_device --test-case="$cases"
  done
  step initcheck 30 sanitizers.txt "$sanitizer" --tool initcheck --error-exitcode 9 ./test_cuda_device --test-case='steps with drawn gates*'
}

# Our steps and PyTorch's by turns, so that a clock that changes meets both.
benchmarks() {
  local precision torch=""
  "$python" -c 'import torch' 2>/dev/null || torch="$python has no PyTorch"
  for precision in float32 tf32; do
    step "train_step/$precision" 40 bench.txt ./bench --benchmark_filter="^cuda/(ceilings|train_step/resnet110/$precision/)"
    if [[ $torch ]]; then
      skip "pytorch/$precision" "$torch"
    else
      step "pytorch/$precision" 60 bench.txt "$python" torch_contender.py "$precision" eager graph
    fi
  done
  step train_step/bf16 40 bench.txt ./bench --benchmark_filter='^cuda/(ceilings|train_step/resnet110/(bf16|tf32x3))'
  step convolutions 40 bench.txt ./bench --benchmark_filter='^cuda/(ceilings|conv/)' --benchmark_min_time=0.05
  if [[ $torch ]]; then
    skip pytorch/bf16 "$torch"
    skip pytorch/compiled "$torch"
  else
    step pytorch/bf16 50 bench.txt "$python" torch_contender.py bf16 eager graph
    step pytorch/compiled 75 bench.txt "$python" torch_contender.py tf32 compiled
  fi
  step train_step/again 30 bench.txt ./bench --benchmark_filter='^cuda/(ceilings|train_step/resnet110/[a-z0-9+]*/survival:[0-9.]*/iterations)'
}

# As many epochs as fit; a run that is stopped ends its step and saves.
trainings() {
  local survival
  if [[ ! ${CIFAR10:-} ]]; then
    step "pictures" 60 trainings.txt ./cifar_layout "$work/cifar10"
    CIFAR10=$work/cifar10
  fi
  for survival in 1.0 0.5; do
    stop_by=INT step "training/survival:$survival" 50 trainings.txt ./train --device cuda --tf32 --model resnet110 --data cifar10 --data-dir "$CIFAR10" --schedule linear \
      --survival "$survival" --epochs 500 --warm-up 1 --seed 1 --out "$work/training_$survival"
    [[ -f $work/training_$survival/metrics.csv ]] && cat "$work/training_$survival/metrics.csv" >>"$out/trainings.txt"
  done
}

profile() {
  local ncu kernel
  if ! ncu=$(tool ncu); then
    skip profile "there is no ncu on this machine"
    return
  fi
  for kernel in forward/16x32/float32 forward/64x8/float32 block_input_gradient/16x32/float32 weight_gradient/32x16/float32 \
    forward/16x32/tf32 weight_gradient/16x32/tf32; do
    step "profile/$kernel" 25 profile.txt "$ncu" --set full --kernel-name 'regex:conv_|weight_gradient' --launch-skip 8 --launch-count 1 --clock-control none \
      ./bench --benchmark_filter="^cuda/conv/$kernel/" --benchmark_min_time=0.001
  done
}

device_step
tests
benchmarks
trainings
sanitizers
profile

# What is to be compared, once more at the end.
grep -h '^cuda/ceilings\|^cuda/train_step\|^cuda/conv\|^pytorch' "$out/bench.txt" 2>/dev/null | grep -v 'ERROR OCCURRED' | sed 's/  */ /g; s/iterations:[0-9]*.real_time//' | cut -c1-230

printf '\n%s steps, %s of them failed, in %s s\n' "$(grep -c . "$table")" "$(grep -c 's  FAILED\|s  STOPPED' "$table")" "$SECONDS" | tee -a "$table"
exit $failed
