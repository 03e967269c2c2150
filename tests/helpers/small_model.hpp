#pragma once

#include <string>
#include <vector>

#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"
#include "squad/text/tokenizer.hpp"

namespace bv {

/// A model folder with a small vocabulary: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, then `pieces` from 4.
class SmallModel {
  public:
    explicit SmallModel(const std::vector<std::string>& pieces, const std::string& config = "") {
        std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
        for (const std::string& piece : pieces) vocabulary += piece + "\n";
        write_file(folder_ / "vocab.txt", vocabulary);
        if (!config.empty()) write_file(folder_ / "tokenizer_config.json", config);
    }

    const std::filesystem::path& path() const { return folder_.path(); }
    Tokenizer tokenizer() const { return Tokenizer(path()); }

  private:
    TemporaryFolder folder_;
};

}  // namespace bv
