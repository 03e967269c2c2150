#pragma once

#include <atomic>

#include <ATen/ATen.h>

#include "bert/batch.hpp"
#include "states/state_source.hpp"

namespace bv {

/// Random states of 21 sequences of 1 to 9 tokens, the same on every rank.
class RandomSource final : public StateSource {
  public:
    RandomSource() {
        info_.task = Task::span;
        info_.dtype = DType::f32;
        info_.layers = {0, 1, 2};
        info_.hidden_size = 8;
        info_.checkpoint = "one";
        info_.epoch = "1";
        features_.starts.push_back(0);
        for (std::int64_t f = 0; f < 21; ++f) {
            const std::int64_t tokens = 1 + (f * 5) % 9;
            features_.starts.push_back(features_.starts.back() + tokens);
            features_.question_of.push_back(f);
            features_.start_label.push_back(static_cast<std::int32_t>(tokens / 2));
            features_.end_label.push_back(static_cast<std::int32_t>(tokens - 1));
        }
        layout_ = lay_out(features_.token_counts(), 4);
        at::manual_seed(3);
        states_ = at::randn({3, features_.tokens(), 8});
    }

    const StoreInfo& info() const override { return info_; }
    const Features& features() const override { return features_; }
    const StoreLayout& layout() const override { return layout_; }
    bool worth_reading_ahead() const override { return true; }
    std::string name() const override { return "random states"; }

    std::vector<StateBatch> read(const FeatureBatches& batches) const override {
        ++reads;
        std::vector<StateBatch> result;
        for (const auto& which : batches) result.push_back(which.empty() ? StateBatch{} : batch_of(which));
        return result;
    }

    StoreInfo info_;
    mutable std::atomic<int> reads = 0;  ///< calls of `read`

  private:
    StateBatch batch_of(const std::vector<std::int64_t>& which) const {
        StateBatch batch;
        std::vector<at::Tensor> parts;
        for (const std::int64_t f : which) {
            parts.push_back(
                states_.narrow(1, features_.starts[static_cast<std::size_t>(f)], features_.tokens_of(f)));
        }
        batch.packed = std::make_shared<PackedSequences>(pack_features(features_, which));
        batch.states = at::cat(parts, 1);
        return batch;
    }

    Features features_;
    StoreLayout layout_;
    at::Tensor states_;
};

}  // namespace bv
