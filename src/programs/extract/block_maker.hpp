#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "bert/model.hpp"
#include "device/copy_stream.hpp"
#include "squad/features/features.hpp"
#include "store/layout.hpp"

namespace bv {

/// Computes the blocks of a store. What a block holds depends on nothing but its own features.
class BlockMaker {
  public:
    /// Local. All arguments must outlive this object; `batch_tokens` are the most tokens the encoder takes at
    /// once.
    BlockMaker(const Features& features, const Model& model, const StoreInfo& info, const StoreLayout& layout,
               std::int64_t batch_tokens);

    /// Local: host memory for any block's states.
    at::Tensor buffer() const;

    /// Local: puts a block's states into `buffer`: (states, rows of the block, H) of the store's element
    /// type, contiguous from its first element on. Throws Error naming the first question with a state that
    /// is not finite, or leaves that type's range.
    void make(std::int64_t block, const at::Tensor& buffer);

    /// Local: tokens the encoder sees for a block.
    std::int64_t tokens(std::int64_t block) const;

  private:
    std::vector<std::int64_t> features_in(std::int64_t block) const;
    std::size_t source_of(std::int64_t state) const;
    [[noreturn]] void complain(std::int64_t block) const;

    const Features& features_;
    const Model& model_;
    const StoreInfo& info_;
    const StoreLayout& layout_;
    std::int64_t batch_tokens_;
    std::vector<std::int64_t> tokens_of_;
    CopyStream copies_;
};

}  // namespace bv
