# cmake -P cmake/demo.cmake: sets up, builds a small training program, and shows on Fashion-MNIST what stochastic depth is for: a ResNet-20 is trained
# with it and without, the times and errors of both are compared, also with fewer and fewer blocks, and one of them classifies pictures that it never
# saw, on a page.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/setup.cmake)

set(epochs 4)
set(survival 0.5)
set(out build/demo)
set(demo build/release/examples/demo)
# So short a training learns more from many small steps, and from the pictures as they are.
set(options --model resnet20 --epochs ${epochs} --batch 64 --lr 0.05 --lr-drop 0.75 --no-augment --validation 0 --seed 1
            --limit-train 20000 --limit-test 5000)
set(depth_options --limit 2000 --depth-images 500 --depth-points 5)

setup(FOR_DEMO)

# Fashion-MNIST from Debian's package, from an earlier download, or downloaded now; the procedural set where none of them is to be had.
set(data --data fashion-mnist)
set(data_name Fashion-MNIST)
if(NOT EXISTS /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz)
  step("Fetching Fashion-MNIST")
  execute_process(COMMAND ${CMAKE_COMMAND} -D DATA=fashion-mnist -P ${CMAKE_CURRENT_LIST_DIR}/fetch.cmake WORKING_DIRECTORY ${repository}
                  RESULT_VARIABLE failed)
  if(NOT failed EQUAL 0)
    step("Fashion-MNIST is not to be had; training on the procedural set instead, which is easier and needs no files")
    set(data --data synthetic)
    set(data_name "the procedural set")
  endif()
endif()

step("Building the demonstration, one network's train and infer")
run("Configuring" ${CMAKE_COMMAND} --preset release -D SDEPTH_DISPATCH= --log-level=NOTICE)  # for this processor alone, which takes a third of the time
run("Building" ${CMAKE_COMMAND} --build --preset release --target demo --parallel ${jobs})

# CMake counts in whole numbers, so decimals are thousandths.
function(thousandths text result)
  if(NOT text MATCHES "^([0-9]+)[.]?([0-9]*)(e-[0-9]+)?$")
    give_up("a table of the demonstration has `${text}`, which is no number.")
  endif()
  set(whole ${CMAKE_MATCH_1})
  string(SUBSTRING "${CMAKE_MATCH_2}000" 0 3 fraction)
  math(EXPR value "${whole} * 1000 + 1${fraction} - 1000")
  if(CMAKE_MATCH_3)
    set(value 0)
  endif()
  set(${result} ${value} PARENT_SCOPE)
endfunction()
function(tenths value result)  # of thousandths
  math(EXPR value "(${value} + 50) / 100")
  math(EXPR whole "${value} / 10")
  math(EXPR tenth "${value} % 10")
  set(${result} "${whole}.${tenth}" PARENT_SCOPE)
endfunction()
# Each column of a CSV as a list NAME, its numbers in thousandths.
macro(read_columns file)
  file(STRINGS ${repository}/${file} rows)
  list(POP_FRONT rows names)
  string(REPLACE "," ";" names "${names}")
  foreach(name IN LISTS names)
    set(${name} "")
  endforeach()
  foreach(row IN LISTS rows)
    string(REPLACE "," ";" cells "${row}")
    foreach(name cell IN ZIP_LISTS names cells)
      if(cell MATCHES "^[0-9]")
        thousandths("${cell}" value)
        list(APPEND ${name} ${value})
      endif()
    endforeach()
  endforeach()
endmacro()

file(REMOVE_RECURSE ${repository}/${out})  # an earlier demonstration; train does not write over a run
step("Training ResNet-20 twice for ${epochs} epochs on 20,000 pictures of ${data_name}, with stochastic depth and without. On two slow cores (a server of 2020, AVX2) \
this takes about four minutes, on two newer ones two")
set(depth_with --schedule linear --survival ${survival})
set(depth_without --schedule none)
foreach(kind IN ITEMS with without)
  set(run ${out}/${kind})
  run("Training" ${demo} ${data} ${options} ${depth_${kind}} --out ${run})
  run("Testing with fewer blocks" ${demo} infer --weights ${run}/model.safetensors ${depth_options} --depth-curve ${run}/depth.csv)
  read_columns(${run}/metrics.csv)
  set(epoch_seconds 0)
  foreach(value IN LISTS seconds)
    math(EXPR epoch_seconds "${epoch_seconds} + ${value} / ${epochs}")
  endforeach()
  set(seconds_of_${kind} ${epoch_seconds})
  tenths(${epoch_seconds} epoch_${kind})
  list(GET test_error -1 value)
  tenths(${value} error_${kind})
  set(run_blocks 0)
  foreach(value IN LISTS blocks_run)
    math(EXPR run_blocks "${run_blocks} + ${value} / ${epochs}")
  endforeach()
  set(thousandths_of_blocks_${kind} ${run_blocks})
  tenths(${run_blocks} blocks_${kind})
  read_columns(${run}/depth.csv)
  set(depths "${blocks}")
  set(errors_${kind} "${error_by_harm}")
endforeach()
math(EXPR saved "100 - (100 * ${seconds_of_with} + ${seconds_of_without} / 2) / ${seconds_of_without}")
math(EXPR skipped "100 - 100 * ${thousandths_of_blocks_with} / ${thousandths_of_blocks_without}")
math(EXPR off "${saved} - ${skipped}")
set(shorter "a step that skips blocks is shorter, here by ${saved} %, and the network")
if(off LESS -12 OR off GREATER 12)  # points: more than a quiet machine's noise
  set(shorter "a step that skips ${skipped} % of the blocks is shorter by nearly as much, which the seconds above do not show: other programs had more of
this machine in one training than in the other, so look again when it is idle. And the network")
endif()

step("Classifying 60 test pictures, which the network has never seen")
run("Classifying" ${demo} infer --weights ${out}/with/model.safetensors --page ${out}/pictures.html --page-pictures 60)

set(table "")
foreach(depth with without IN ZIP_LISTS depths errors_with errors_without)
  math(EXPR depth "${depth} / 1000")
  foreach(kind IN ITEMS with without)
    math(EXPR percent "${${kind}} * 100")
    tenths(${percent} text)
    string(LENGTH "${text}" length)
    math(EXPR pad "5 - ${length}")
    string(REPEAT " " ${pad} spaces)
    set(text_${kind} "${spaces}${text} %")
  endforeach()
  string(APPEND table "  ${depth} of 9              ${text_with}   ${text_without}\n")
endforeach()
list(JOIN data " " data)

message(NOTICE "
Done: the same ResNet-20, 9 residual blocks, was trained on ${data_name} with stochastic depth (survival from 1 to ${survival}) and without.

                        with     without
  blocks run in a step  ${blocks_with}      ${blocks_without}
  seconds an epoch      ${epoch_with}     ${epoch_without}     (the evaluations not counted)
  test error            ${error_with} %   ${error_without} %

What it is for: ${shorter} learns not to rely on any one of them. With blocks taken out after the
training, the least needed first, the error on 2,000 test pictures is

  blocks                with      without
${table}
A training as short as this one gains nothing in error. In the paper the error falls below that of the same network without stochastic depth after hundreds of
epochs, when the latter has overfitted; docs/results.md says what was seen of that here.

Pictures that the network never saw:    ${repository}/${out}/pictures.html
Curves of loss, error and blocks run:   ${repository}/${out}/with/report.html, and without/report.html
Weights, readable from PyTorch:         ${repository}/${out}/with/model.safetensors

What to try next:
  build all programs:                 cmake --build --preset release
  54 blocks, where skipping pays:     build/release/examples/train ${data} --model resnet110 --schedule linear --epochs ${epochs} --warm-up 1 --out build/demo-110
  your own pictures and network:      docs/training_program.md
  every option:                       build/release/examples/train --help")
