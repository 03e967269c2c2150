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

/// A tensor to be written to, or found in, a safetensors file. `bytes` is row-major, little-endian.
struct TensorView {
    DType dtype;
    std::vector<std::int64_t> shape;
    std::string_view bytes;

    /// The elements as T, whose size must be that of `dtype`.
    template <class T>
    std::span<const T> as() const {
        return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
    }
};

/// A safetensors file (https://github.com/huggingface/safetensors), mapped; every offset, shape and size of
/// its header is checked against the file when it is opened.
class SafetensorsFile {
  public:
    /// Throws Error naming the file and what is wrong with it: missing, truncated, a header that lies.
    explicit SafetensorsFile(const std::filesystem::path& path);

    /// All tensors by name; their bytes live as long as this object.
    const std::map<std::string, TensorView>& tensors() const { return tensors_; }

    /// The tensor `name`. Throws Error naming file and tensor when it is not there.
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

/// Writes a safetensors file aside and renames it, as write_file does; the bytes are not copied. Returns the
/// file's fingerprint. Throws Error naming the path.
std::string write_safetensors(const std::filesystem::path& path,
                              const std::map<std::string, TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace bv
