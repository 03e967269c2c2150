#include "states/part_source.hpp"

#include "squad/features/features_part.hpp"

namespace bv {
namespace {

class PartSource final : public StateSource {
  public:
    PartSource(const StateSource& whole, const std::vector<bool>& questions)
        : whole_(whole), features_(part_of(whole.features(), questions)), info_(whole.info()) {
        info_.features = features_.fingerprint();
        const Features& all = whole.features();
        std::vector<std::int64_t> place_of(static_cast<std::size_t>(all.count()), -1);
        for (std::int64_t f = 0; f < all.count(); ++f) {
            const auto i = static_cast<std::size_t>(f);
            if (!questions[static_cast<std::size_t>(all.question_of[i])]) continue;
            place_of[i] = static_cast<std::int64_t>(feature_of_.size());
            feature_of_.push_back(f);
        }
        layout_.starts.push_back(0);
        const std::vector<std::int64_t> rows = whole.rows_of_features();
        for (const std::int64_t f : whole.layout().original) {
            const auto i = static_cast<std::size_t>(f);
            if (place_of[i] < 0) continue;
            layout_.original.push_back(place_of[i]);
            layout_.starts.push_back(layout_.starts.back() + rows[i]);
        }
        layout_.block_starts = {0, layout_.features()};
    }

    const StoreInfo& info() const override { return info_; }
    const Features& features() const override { return features_; }
    const StoreLayout& layout() const override { return layout_; }
    bool worth_reading_ahead() const override { return whole_.worth_reading_ahead(); }
    std::string name() const override { return whole_.name(); }

    std::vector<StateBatch> read(const FeatureBatches& batches) const override {
        FeatureBatches wanted = batches;
        for (auto& batch : wanted) {
            for (std::int64_t& f : batch) f = feature_of_[static_cast<std::size_t>(f)];
        }
        std::vector<StateBatch> result = whole_.read(wanted);
        for (std::size_t i = 0; i < result.size(); ++i) {
            if (batches[i].empty()) continue;
            result[i].packed = std::make_shared<PackedSequences>(result[i].packed->with_examples(batches[i]));
        }
        return result;
    }

  private:
    const StateSource& whole_;
    Features features_;
    StoreInfo info_;
    std::vector<std::int64_t> feature_of_;  // (F) the number of each feature in the whole
    StoreLayout layout_;                    // one block, in the order of the whole
};

}  // namespace

std::unique_ptr<StateSource> part_of(const StateSource& whole, const std::vector<bool>& questions) {
    return std::make_unique<PartSource>(whole, questions);
}

}  // namespace bv
