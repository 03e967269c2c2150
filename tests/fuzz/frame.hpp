#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace bv::fuzz {

/// The body of a target: reads `input` as a stranger's file or files. It may throw Error; every other
/// exception is a finding, as are crashes, hangs and too much memory, which libFuzzer finds itself.
void read(std::string_view input);

/// A folder in memory where it can be, for parsers that want a path. It is empty when `read` begins.
const std::filesystem::path& folder();

/// Writes `bytes` to a file of `folder`, and returns its path.
std::filesystem::path write(const std::string& name, std::string_view bytes);

/// Writes several files: in `input` each begins with a line "=== NAME"; those of other names than `names` are
/// left out. A name may have a folder in it. The content of a file NAME.safetensors may be readable: the
/// header as JSON, which gets its length put before it, then a NUL and the data.
void write_files(std::string_view input, std::initializer_list<const char*> names);

/// The content of file `name` in such an input; empty where there is none.
std::string_view part(std::string_view input, std::string_view name);

/// Replaces the word FINGERPRINT in the file `name` of `folder`, if it is there, by the fingerprint of the
/// file `other`, so that what is behind the check of it is reached.
void fill_in_fingerprint(const std::string& name, const std::string& other);

/// The bytes of a safetensors file whose content is readable as above; other content as it is.
std::string safetensors(std::string_view content);

}  // namespace bv::fuzz
