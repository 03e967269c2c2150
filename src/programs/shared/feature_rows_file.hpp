#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "comm/communicator.hpp"
#include "io/output_lock.hpp"
#include "io/safetensors.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// A tensor with rows for each feature: its name, its element type, and the shape of one row.
struct RowsTensor {
    std::string name;
    DType dtype = DType::f32;
    std::vector<std::int64_t> row;
};

/// The content of a FeatureRowsFile.
struct FeatureRows {
    std::vector<std::int64_t> numbers;  ///< the features to write, ascending
    std::vector<std::int64_t> rows_of;  ///< number of rows of every feature of the features file
    std::vector<RowsTensor> tensors;
    std::map<std::string, std::string> metadata;
};

/// A safetensors file of rows that belong to features, which all ranks write together. Beside its tensors
/// (N, ...) it has:
/// - "features": (F) int64, the numbers of the features in their features file, ascending;
/// - "starts": (F + 1) int64, feature i of these has the rows from starts[i] to starts[i + 1];
/// - "questions": (F) int64, the place of each feature's question in "question_ids", a JSON list in the
///   metadata.
/// The file comes to its place when it is whole.
class FeatureRowsFile {
  public:
    /// Collective: creates the file beside its place. Throws AgreedError, which names the path: a file is
    /// there and `force` is not set, another program is writing it, or the disk is full.
    FeatureRowsFile(const std::filesystem::path& path, bool force, const Features& features,
                    FeatureRows content, const Communicator& ranks);

    /// Local: writes all rows of feature `number` of tensor `name`. Throws Error, which names the path.
    void write(const std::string& name, std::int64_t number, std::string_view bytes) const;

    /// Collective: moves the file to its place. Throws AgreedError, which names the path.
    void finish();

  private:
    const Communicator& ranks_;
    std::optional<OutputLock> lock_;  // on rank 0, like the next one
    std::optional<AsideFile> aside_;
    std::optional<SafetensorsParts> parts_;
    std::map<std::int64_t, std::int64_t> first_row_;     // of each feature
    std::map<std::string, std::int64_t> values_in_row_;  // of each tensor
};

}  // namespace bv
