#pragma once

#include <string>

#include "store/layout.hpp"

namespace bv {

/// Local: throws Error, which names the store `name`, when the checkpoint that it was made from still exists
/// at its path and has changed since: its checkpoint.json names another model than the store does, or cannot
/// be read. Without checkpoint.json it reads the weights and config.json, which takes a second for each few
/// GB. With `allow_other_checkpoint` it logs a warning instead. A relative path starts from the current
/// folder.
void require_unchanged_checkpoint(const StoreInfo& info, const std::string& name,
                                  bool allow_other_checkpoint);

}  // namespace bv
