// The networks by name, for all pictures that train reads.
#include "network_with.hpp"

namespace programs {

sdepth::TrainedNetwork network_gray(const Task& task) { return network_by_name<Gray, 10>(task); }
sdepth::TrainedNetwork network_colour(const Task& task) { return network_by_name<Colour, 10>(task); }
sdepth::TrainedNetwork network_colour_100(const Task& task) { return network_by_name<Colour, 100>(task); }

}  // namespace programs
