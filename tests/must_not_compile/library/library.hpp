// What the cases of must_not_compile include: the compiler reads it once for all.
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/net.hpp>
#include <sdepth/network/training_memory.hpp>
#include <sdepth/train/block_removal.hpp>
#include <sdepth/train/norm_estimate.hpp>
