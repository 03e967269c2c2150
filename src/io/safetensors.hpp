#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.hpp"
#include "io/descriptor.hpp"
#include "io/files.hpp"

namespace bv {

/// A tensor of a safetensors file, read or to be written. `bytes` are its elements, row-major and
/// little-endian.
struct TensorView {
    DType dtype = DType::f32;
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

    /// The text at `key` of the metadata. Throws Error, which names the file, `kind` (the kind of file that
    /// has this key, such as "logits file") and the key, if there is none.
    const std::string& metadata_at(const std::string& key, std::string_view kind) const;

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

/// The element type and the shape of a tensor.
struct TensorShape {
    DType dtype = DType::f32;
    std::vector<std::int64_t> shape;
};

/// Writes a safetensors file part by part: one process creates the file, and any number of processes write
/// their parts of its tensors, in any order. Give it the path of an AsideFile.
class SafetensorsParts {
  public:
    /// Lays the file out. Writes nothing. All processes give the same arguments.
    SafetensorsParts(std::filesystem::path path, const std::map<std::string, TensorShape>& tensors,
                     const std::map<std::string, std::string>& metadata);

    /// Makes the file, in its full size: the header, and zeros. Throws Error, which names the path.
    void create() const;

    /// Opens the file that one process has created. Throws Error, which names the path.
    void open();

    /// Writes `bytes`, the elements of tensor `name` from element `first` on (row-major). Throws Error, which
    /// names the path, for example for a full disk.
    void write(const std::string& name, std::int64_t first, std::string_view bytes) const;

    /// Flushes what this process has written to disk. Throws Error, which names the path.
    void flush() const;

  private:
    struct Place {
        std::uint64_t begin;  // byte of the file
        std::uint64_t end;
        std::uint64_t element;  // bytes of one element
    };
    std::filesystem::path path_;
    std::string header_;  // with its length before it
    std::map<std::string, Place> places_;
    std::uint64_t size_ = 0;  // of the file, in bytes
    Descriptor descriptor_;
};

}  // namespace bv
