#include "core/nearest.hpp"

#include <algorithm>
#include <numeric>

#include "core/error.hpp"

namespace bv {
namespace {

/// Levenshtein distance.
std::size_t distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0U);
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t above = row[j + 1];
            row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row.back();
}

}  // namespace

std::string nearest(const std::string& wanted, const std::vector<std::string>& known) {
    BV_EXPECT(!known.empty());
    return *std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
        return distance(wanted, a) < distance(wanted, b);
    });
}

}  // namespace bv
