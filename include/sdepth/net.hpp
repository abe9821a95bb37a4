// The door: everything for building, training and running a network on a CPU. No data sets, files, CUDA or MPI.
#pragma once

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/run/inference.hpp>
#include <sdepth/schedule/fixed_gates.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/block_removal.hpp>
#include <sdepth/train/norm_estimate.hpp>
#include <sdepth/train/trainer.hpp>
