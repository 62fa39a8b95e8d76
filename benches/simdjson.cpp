// How fast simdjson checks and parses a body, which needs all of it and writes nothing: MB/s, the median of 41 turns of 4 ms.
//
// usage: simdjson FILE IMPLEMENTATION
//
// An implementation that this processor cannot run is an error: westmere works on 128 bits, as ours does natively.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include <simdjson.h>

int main(int count, char **arguments) {
  using clock = std::chrono::steady_clock;
  if (count != 3) return 2;
  const auto *chosen = simdjson::get_available_implementations()[arguments[2]];
  if (chosen == nullptr || !chosen->supported_by_runtime_system()) return 1;
  simdjson::get_active_implementation() = chosen;

  simdjson::padded_string body;
  if (simdjson::padded_string::load(arguments[1]).get(body) != simdjson::SUCCESS) return 1;
  simdjson::dom::parser parser;
  std::vector<double> speeds;
  for (int turn = 0; turn < 41; turn++) {
    const auto start = clock::now();
    double seconds = 0;
    std::size_t bytes = 0;
    while (seconds < 0.004) {
      simdjson::dom::element element;
      if (parser.parse(body).get(element) != simdjson::SUCCESS) return 1;
      bytes += body.size();
      seconds = std::chrono::duration<double>(clock::now() - start).count();
    }
    speeds.push_back(static_cast<double>(bytes) / 1e6 / seconds);
  }
  std::sort(speeds.begin(), speeds.end());
  std::printf("%.0f\n", speeds[speeds.size() / 2]);
}
