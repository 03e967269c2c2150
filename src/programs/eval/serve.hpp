#pragma once

#include "comm/communicator.hpp"
#include "programs/eval/command.hpp"

namespace bv {

/// Collective, on one rank: answers questions until standard input ends. It loads --checkpoint and the heads
/// once. Then each line of standard input is a JSON object with "question", "context" and perhaps "id", and
/// gives one line on standard output:
///   {"id", "answers": [...]}    an element for BERT, then one for each head, in the order of --head
///   {"id", "error": "..."}      if the line cannot be answered; the next one can
/// Every element has "system" ("BERT" or the head's name) and "no_answer_probability"; heads also have
/// "head_folder", and "layer_weights" if they have learned how much they take of each hidden state. Span:
/// "answer" ("" = none), its characters "start" and "end" in the context (end exclusive; -1 for none), its
/// "probability", "null_odds", and "n_best", the likeliest answers with the same members. Classification:
/// "class" ("answer" or "no answer") and its "probability". Throws Error if the heads do not fit the
/// checkpoint, and AgreedError if there are several ranks. Of the log only warnings are printed.
void serve(const EvalOptions& options, const Communicator& ranks);

}  // namespace bv
