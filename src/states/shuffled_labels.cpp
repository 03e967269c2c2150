#include "states/shuffled_labels.hpp"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include "comm/sharding.hpp"
#include "core/error.hpp"
#include "random/philox.hpp"

namespace bv {
namespace {

/// The circle of labels is the order of this epoch. Training has no such epoch, so it never reads in that
/// order.
constexpr std::int64_t kEpochOfLabels = -1;

/// One random circle goes through all elements: each gets the value of the next one.
std::vector<std::int64_t> passed_on(const std::vector<std::int64_t>& values, std::uint64_t seed) {
    const auto circle = epoch_order(seed, kEpochOfLabels, std::ssize(values));
    std::vector<std::int64_t> result(values.size());
    for (std::size_t i = 0; i < circle.size(); ++i) {
        result[static_cast<std::size_t>(circle[i])] =
            values[static_cast<std::size_t>(circle[(i + 1) % circle.size()])];
    }
    return result;
}

/// A random number from 0 to `count` - 1 for this feature.
std::int64_t drawn(std::uint64_t seed, std::int64_t feature, std::int64_t count) {
    const auto number = static_cast<std::uint64_t>(feature);
    const PhiloxStream stream{.key0 = static_cast<std::uint32_t>(seed),
                              .key1 = static_cast<std::uint32_t>(seed >> 32),
                              .c1 = static_cast<std::uint32_t>(number >> 32)};
    const std::uint64_t bits = philox(stream, static_cast<std::uint32_t>(number)).c[0];
    return static_cast<std::int64_t>(bits * static_cast<std::uint64_t>(count) >> 32);
}

/// Sets the labels of feature `f` to an answer of `length` tokens at a random place of its context; 0 means
/// "none".
void place_answer(const Features& features, std::int64_t f, std::int64_t length, std::uint64_t seed,
                  Labels& labels) {
    const auto begin = features.char_begin.begin() + features.starts[static_cast<std::size_t>(f)];
    const auto end = features.char_begin.begin() + features.starts[static_cast<std::size_t>(f) + 1];
    const auto in_context = [](std::int32_t offset) { return offset != kNoOffset; };
    const std::int64_t tokens = std::count_if(begin, end, in_context);
    const std::int64_t cut = std::min(length, tokens);
    std::int64_t first = 0;
    if (cut > 0) first = std::find_if(begin, end, in_context) - begin + drawn(seed, f, tokens - cut + 1);
    labels.start[static_cast<std::size_t>(f)] = static_cast<std::int32_t>(first);
    labels.end[static_cast<std::size_t>(f)] =
        static_cast<std::int32_t>(first + std::max<std::int64_t>(cut - 1, 0));
}

class LabelledSource final : public StateSource {
  public:
    LabelledSource(const StateSource& whole, Labels labels) : whole_(whole), labels_(std::move(labels)) {}

    const StoreInfo& info() const override { return whole_.info(); }
    const Features& features() const override { return whole_.features(); }
    const StoreLayout& layout() const override { return whole_.layout(); }
    bool worth_reading_ahead() const override { return whole_.worth_reading_ahead(); }
    std::int64_t kept_bytes() const override { return whole_.kept_bytes(); }
    std::string name() const override { return whole_.name(); }

    std::vector<StateBatch> read(const FeatureBatches& batches) const override {
        std::vector<StateBatch> result = whole_.read(batches);
        for (std::size_t i = 0; i < result.size(); ++i) {
            if (batches[i].empty()) continue;
            PackedSequences packed = *result[i].packed;
            packed.start_labels = of(labels_.start, batches[i]).to(packed.start_labels.device());
            packed.end_labels = of(labels_.end, batches[i]).to(packed.end_labels.device());
            packed.no_answer = packed.start_labels.eq(0).to(at::kLong);
            result[i].packed = std::make_shared<PackedSequences>(std::move(packed));
        }
        return result;
    }

  private:
    static at::Tensor of(const std::vector<std::int32_t>& labels, const std::vector<std::int64_t>& batch) {
        std::vector<std::int64_t> picked;
        for (const std::int64_t f : batch) picked.push_back(labels[static_cast<std::size_t>(f)]);
        return at::tensor(picked, at::kLong);
    }

    const StateSource& whole_;
    Labels labels_;
};

}  // namespace

Labels shuffled_labels(const Features& features, const std::vector<bool>& questions, std::uint64_t seed) {
    BV_EXPECT(features.labelled && questions.size() == features.questions.size());
    Labels labels{features.start_label, features.end_label};
    std::vector<std::int64_t> which;
    std::vector<std::int64_t> lengths;
    for (std::int64_t f = 0; f < features.count(); ++f) {
        const auto i = static_cast<std::size_t>(f);
        if (!questions[static_cast<std::size_t>(features.question_of[i])]) continue;
        which.push_back(f);
        lengths.push_back(features.no_answer(f) ? 0 : labels.end[i] - labels.start[i] + 1);
    }
    const std::vector<std::int64_t> others = passed_on(lengths, seed);
    for (std::size_t i = 0; i < which.size(); ++i) place_answer(features, which[i], others[i], seed, labels);
    return labels;
}

std::unique_ptr<StateSource> with_labels(const StateSource& whole, Labels labels) {
    return std::make_unique<LabelledSource>(whole, std::move(labels));
}

}  // namespace bv
