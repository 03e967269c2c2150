#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "bert/model.hpp"
#include "device/copy_stream.hpp"
#include "squad/features/features.hpp"
#include "store/layout.hpp"

namespace bv {

/// Computes the blocks of a store. The content of a block depends only on the model and the block's features.
class BlockMaker {
  public:
    /// Local. All arguments must outlive this object. One pass of the encoder takes at most `batch_tokens`
    /// tokens, or one feature that has more.
    BlockMaker(const Features& features, const Model& model, const StoreInfo& info, const StoreLayout& layout,
               std::int64_t batch_tokens);

    /// Local: allocates a tensor (n) in host memory, of the store's element type. n is large enough for the
    /// states of every block.
    at::Tensor buffer() const;

    /// Local: computes a block's states and writes them into `buffer`: (states, rows of the block,
    /// StoreInfo::row_elements) of the store's element type, contiguous from the first element of `buffer`
    /// on. Throws Error, which names the first question with a state that is not finite or is outside the
    /// range of that type.
    void make(std::int64_t block, const at::Tensor& buffer);

    /// Local: the number of tokens that the encoder computes for a block.
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
