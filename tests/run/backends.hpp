// The backends that tests of the walk go over: AND_CPU(Reference) are both. In a program for one level of
// x86-64 (ONLY_OF_THIS_LEVEL) it is the Cpu<> alone: the reference's code does not depend on the processor,
// and is tested with this machine's.
#pragma once

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>

#if defined(ONLY_OF_THIS_LEVEL)
#define AND_CPU(reference) sdepth::Cpu<>
#else
#define AND_CPU(reference) reference, sdepth::Cpu<>
#endif
