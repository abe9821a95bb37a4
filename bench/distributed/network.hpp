// A network between processes of one machine, for measurements: what MPI has received is told to the program
// as late as it would have come over a wire.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <map>

#include <sdepth/core/clock.hpp>

namespace network {

inline double latency = 0;           // seconds
inline double bytes_per_second = 0;  // that a process receives; 0: any number

struct Message {
  std::size_t bytes = 0;
  double hops = 1;        // one after the other
  std::int64_t due = -1;  // when it is there; −1: it has not come yet
};
inline std::map<MPI_Request*, Message> messages;  // on their way
inline std::int64_t wire_is_free = 0;             // one message after the other comes in

inline void expect(MPI_Request* request, std::size_t bytes, double hops) {
  messages[request] = {bytes, hops, -1};
}
/// A message has come: when it would have been there.
inline std::int64_t due(const Message& message) {
  const std::int64_t now = sdepth::nanoseconds();
  const double on_the_wire = bytes_per_second > 0 ? static_cast<double>(message.bytes) / bytes_per_second : 0;
  wire_is_free = std::max(now, wire_is_free) + static_cast<std::int64_t>(1e9 * on_the_wire);
  return wire_is_free + static_cast<std::int64_t>(1e9 * latency * message.hops);
}

}  // namespace network

// In place of MPI's own, which are called PMPI_…: the standard's way to look at a program's messages.
extern "C" {
inline int delayed_irecv(void* to, int count, MPI_Datatype type, int from, int tag, MPI_Comm all,
                         MPI_Request* request) {
  int size = 0;
  PMPI_Type_size(type, &size);
  network::expect(request, static_cast<std::size_t>(count) * static_cast<std::size_t>(size), 1);
  return PMPI_Irecv(to, count, type, from, tag, all, request);
}
inline int delayed_iallgatherv(const void* from, int count, MPI_Datatype type, void* to, const int* counts,
                               const int* places, MPI_Datatype to_type, MPI_Comm all, MPI_Request* request) {
  int ranks = 1, mine = 0;
  PMPI_Comm_size(all, &ranks);
  PMPI_Comm_rank(all, &mine);
  std::size_t bytes = 0;
  for (int r = 0; r < ranks; ++r)
    if (r != mine) bytes += static_cast<std::size_t>(counts[r]);
  // Open MPI has each process send to each other one directly, all at once
  network::expect(request, bytes, 1);
  return PMPI_Iallgatherv(from, count, type, to, counts, places, to_type, all, request);
}
inline int delayed_test(MPI_Request* request, int* done, MPI_Status* status) {
  const auto found = network::messages.find(request);
  if (found == network::messages.end()) return PMPI_Test(request, done, status);
  network::Message& message = found->second;
  if (message.due < 0) {
    const int result = PMPI_Test(request, done, status);
    if (*done == 0) return result;
    message.due = network::due(message);
  }
  *done = sdepth::nanoseconds() >= message.due;
  if (*done != 0) network::messages.erase(found);
  return MPI_SUCCESS;
}
}
