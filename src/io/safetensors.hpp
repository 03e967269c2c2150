#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.hpp"
#include "io/files.hpp"

namespace bv {

/// A tensor of a safetensors file, read or to be written. `bytes` are its elements, row-major and
/// little-endian.
struct TensorView {
    DType dtype;
    std::vector<std::int64_t> shape;
    std::string_view bytes;

    /// The elements as T. T must be the C++ type for `dtype`; this is not checked.
    template <class T>
    std::span<const T> as() const {
        return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
    }
};

/// A safetensors file (https://github.com/huggingface/safetensors), mapped into memory. When it is opened,
/// every offset, shape and size in its header is checked against the file.
class SafetensorsFile {
  public:
    /// Throws Error, which names the file and its fault: it is missing or truncated, or the header does not
    /// describe the data.
    explicit SafetensorsFile(const std::filesystem::path& path);

    /// All tensors by name. Their bytes are valid as long as this object lives.
    const std::map<std::string, TensorView>& tensors() const { return tensors_; }

    /// The tensor `name`. Throws Error, which names file and tensor, if there is none.
    const TensorView& at(const std::string& name) const;

    /// The header's "__metadata__".
    const std::map<std::string, std::string>& metadata() const { return metadata_; }

    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
    MappedFile file_;
    std::map<std::string, TensorView> tensors_;
    std::map<std::string, std::string> metadata_;
};

/// Writes a safetensors file, which is whole or absent as that of write_file; the bytes are not copied.
/// Returns the file's fingerprint. Throws Error, which names the path.
std::string write_safetensors(const std::filesystem::path& path,
                              const std::map<std::string, TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace bv
