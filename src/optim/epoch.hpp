#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bv {

/// A place in training as an exact, reduced fraction of an epoch, never a float: 3/10, 1, 6.
class EpochFraction {
  public:
    /// Epoch 0, the model before training.
    EpochFraction() = default;

    /// Reduces the fraction. After that both numbers are at most 999,999,999; `numerator` is not negative and
    /// `denominator` is positive.
    EpochFraction(std::int64_t numerator, std::int64_t denominator);

    /// Reads "0.3", "3/10" or "1". Throws Error, which quotes `text`.
    static EpochFraction parse(std::string_view text);

    std::int64_t numerator() const { return numerator_; }
    std::int64_t denominator() const { return denominator_; }

    /// "3/10" or "1", for metadata; `parse` reads it.
    std::string text() const;

    /// "0.3" or "1", or "1_3" if no decimal is exact: for file names and tables.
    std::string label() const;

    /// "epoch-" and the label: the name of the checkpoint's folder.
    std::string folder_name() const { return "epoch-" + label(); }

    /// The number of training steps after which this fraction is reached: ceil(fraction x steps_per_epoch).
    std::int64_t step(std::int64_t steps_per_epoch) const;

    friend EpochFraction operator+(const EpochFraction& a, const EpochFraction& b);
    friend bool operator==(const EpochFraction&, const EpochFraction&) = default;
    friend std::strong_ordering operator<=>(const EpochFraction& a, const EpochFraction& b);

  private:
    std::int64_t numerator_ = 0;
    std::int64_t denominator_ = 1;
};

/// Reads a plan such as "0,0.1:0.9:0.1,1:6:1": fractions, and ranges first:last:step that include both
/// ends. The result is sorted and holds each fraction once. Throws Error, which names the item and its
/// mistake.
std::vector<EpochFraction> parse_checkpoints(std::string_view plan);

}  // namespace bv
