#pragma once

#include <string>

#include "squad/features/features.hpp"
#include "store/layout.hpp"

namespace bv {

/// Local: logs a warning when all questions of `features` have an answer, or when none has: a classifier
/// cannot learn both classes from them. `name` is the name of their file, for the message.
void warn_of_missing_class(const Features& features, const std::string& name);

/// Local: logs a warning when questions to score on are among those to train on, because their scores then do
/// not say how good the model is on other questions. Questions are told apart by their ids. Both names are
/// those of the files.
void warn_of_shared_questions(const Features& trained, const std::string& trained_name,
                              const Features& scored, const std::string& scored_name);

/// Local: throws Error, which names the store `name`, when the checkpoint that it was made from still exists
/// at its path and has changed since: its checkpoint.json names other weights than the store does, or cannot
/// be read. Without checkpoint.json it reads the weights, which takes a second for each few GB. With
/// `allow_other_checkpoint` it logs a warning instead. A relative path starts from the current folder.
void require_unchanged_checkpoint(const StoreInfo& info, const std::string& name,
                                  bool allow_other_checkpoint);

}  // namespace bv
