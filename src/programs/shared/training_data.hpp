#pragma once

#include <string>

#include "squad/features/features.hpp"
#include "store/layout.hpp"

namespace bv {

/// Local: warns where all questions of `features`, which a classifier shall be trained on, have an answer, or
/// none has. `name` is where the features come from.
void warn_of_missing_class(const Features& features, const std::string& name);

/// Local: throws Error where the checkpoint that the store `name` was made from still stands at its place and
/// has changed since: its checkpoint.json names other weights than the store does, or cannot be read. With
/// `allow_other_checkpoint` that is a warning. A relative path is looked up from the current folder; a
/// checkpoint without checkpoint.json is not looked at.
void require_unchanged_checkpoint(const StoreInfo& info, const std::string& name,
                                  bool allow_other_checkpoint);

}  // namespace bv
