#pragma once

#include <string>

#include "squad/features/features.hpp"

namespace bv {

/// Local: logs a warning when all questions of `features` have an answer, or when none has: a classifier
/// cannot learn both classes from them. `name` is the name of their file, for the message.
void warn_of_missing_class(const Features& features, const std::string& name);

/// Local: logs a warning when questions to score on are among those to train on, because their scores then do
/// not say how good the model is on other questions. Questions are told apart by their ids. Both names are
/// those of the files.
void warn_of_shared_questions(const Features& trained, const std::string& trained_name,
                              const Features& scored, const std::string& scored_name);

}  // namespace bv
