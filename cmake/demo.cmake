# cmake -P cmake/demo.cmake: sets up, builds the training program, trains a stochastic-depth ResNet-20 on Fashion-MNIST in a few minutes
# on two cores, and says what came of it.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/setup.cmake)

set(epochs 6)
set(survival 0.5)
set(out build/demo)
# So short a training learns more from many small steps, and from the pictures as they are.
set(options --model resnet20 --schedule linear --survival ${survival} --epochs ${epochs} --batch 64 --lr 0.05 --lr-drop 0.8
            --no-augment --validation 0 --seed 1)

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

step("Building the training program")
run("Configuring" ${CMAKE_COMMAND} --preset release -D SDEPTH_DISPATCH= --log-level=NOTICE)  # for this processor alone, which takes a third of the time
run("Building" ${CMAKE_COMMAND} --build --preset release --target train --parallel ${jobs})

file(REMOVE_RECURSE ${repository}/${out})  # an earlier demonstration; train does not write over a run
step("Training ResNet-20 with stochastic depth for ${epochs} epochs on ${data_name}; with two free cores this takes two to five minutes")
run("Training" build/release/examples/train ${data} ${options} --out ${out})

# metrics.csv: a line of names, then a row per epoch.
file(STRINGS ${repository}/${out}/metrics.csv rows)
list(POP_FRONT rows names)
string(REPLACE "," ";" names "${names}")
list(LENGTH rows finished)
set(total_seconds 0)
set(total_blocks 0)  # in thousandths: CMake counts in whole numbers
function(thousandths text result)
  if(NOT text MATCHES "^([0-9]+)[.]?([0-9]*)$")
    give_up("${out}/metrics.csv: `${text}` is not a number.")
  endif()
  set(whole ${CMAKE_MATCH_1})
  string(SUBSTRING "${CMAKE_MATCH_2}000" 0 3 fraction)
  math(EXPR value "${whole} * 1000 + 1${fraction} - 1000")
  set(${result} ${value} PARENT_SCOPE)
endfunction()
foreach(row IN LISTS rows)
  string(REPLACE "," ";" cells "${row}")
  foreach(name cell IN ZIP_LISTS names cells)
    set(${name} "${cell}")
  endforeach()
  thousandths("${seconds}" value)
  math(EXPR total_seconds "${total_seconds} + ${value}")
  thousandths("${blocks_run}" value)
  math(EXPR total_blocks "${total_blocks} + ${value}")
endforeach()
thousandths("${test_error}" error)
math(EXPR error_tenths "(${error} + 50) / 100")
math(EXPR error_whole "${error_tenths} / 10")
math(EXPR error_tenth "${error_tenths} % 10")
math(EXPR minutes "${total_seconds} / 60000")
math(EXPR seconds "${total_seconds} / 1000 % 60")
math(EXPR blocks_tenths "(${total_blocks} / ${finished} + 50) / 100")
math(EXPR blocks_whole "${blocks_tenths} / 10")
math(EXPR blocks_tenth "${blocks_tenths} % 10")
math(EXPR skipped "(9000 - ${total_blocks} / ${finished} + 45) / 90")

list(JOIN data " " data)

message(NOTICE "
Done: a ResNet-20 whose residual blocks survive with probabilities falling from 1 to ${survival} was trained on ${data_name}
for ${finished} epochs in ${minutes} min ${seconds} s, to a test error of ${error_whole}.${error_tenth} %.

Of its 9 residual blocks a training step ran ${blocks_whole}.${blocks_tenth} on average: skipping saved ${skipped} % of their forward and backward
passes. For testing all 9 blocks run.

Curves of loss, error and blocks run:   ${repository}/${out}/report.html
Weights, readable from PyTorch:         ${repository}/${out}/model.safetensors

What to try next:
  the same without skipping:          build/release/examples/train ${data} --model resnet20 --schedule none --epochs ${epochs} --out build/demo-all
  54 blocks, where skipping pays:     build/release/examples/train ${data} --model resnet110 --epochs ${epochs} --warm-up 1 --out build/demo-110
  every option:                       build/release/examples/train --help")
