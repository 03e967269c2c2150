#include "comm/parse_on_ranks.hpp"

#include <sstream>
#include <string>

#include "core/error.hpp"
#include "core/host_name.hpp"

namespace bv {

void parse_on_ranks(CommandLine& line, int argc, const char* const* argv, const Communicator& ranks) {
    ranks.agree([&] { line.parse(argc, argv); });
    const std::string values = line.resolved();
    const std::string values_of_root = ranks.broadcast(values);
    ranks.agree([&] {
        if (values == values_of_root) return;
        std::istringstream own(values);
        std::istringstream of_root(values_of_root);
        std::string value;
        std::string value_of_root;
        while (value == value_of_root && (own || of_root)) {
            if (!std::getline(own, value)) value.clear();
            if (!std::getline(of_root, value_of_root)) value_of_root.clear();
        }
        const auto shown = [](const std::string& found) {
            return found.empty() ? "no such value" : "'" + found + "'";
        };
        fail(
            "the flags differ between the ranks: rank {} on host {} has {}, and rank 0 has {}; give all "
            "ranks the same flags and the same --config file",
            ranks.rank(), host_name(), shown(value), shown(value_of_root));
    });
}

}  // namespace bv
