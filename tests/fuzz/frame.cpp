#include "frame.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "core/log.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestMessage = 8000;

/// An Error's message is one line, not empty and not endless.
void require_one_line(std::string_view message) {
    const bool control = std::any_of(message.begin(), message.end(), [](char byte) {
        return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F;
    });
    if (!message.empty() && message.size() <= kLongestMessage && !control) return;
    std::fprintf(stderr, "an Error without one line of text: '%.*s'\n", static_cast<int>(message.size()),
                 message.data());
    std::abort();
}

void empty_folder() {
    for (const auto& entry : fs::directory_iterator(folder())) fs::remove_all(entry.path());
}

}  // namespace

const fs::path& folder() {
    static const TemporaryFolder own;
    return own.path();
}

fs::path write(const std::string& name, std::string_view bytes) {
    const fs::path path = folder() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
}

std::string_view part(std::string_view input, std::string_view name) {
    const std::string title = "=== " + std::string(name) + "\n";
    const std::string inner = "\n" + title;
    std::size_t begin = 0;
    if (!input.starts_with(title)) {
        begin = input.find(inner);
        if (begin == std::string_view::npos) return {};
        ++begin;
    }
    begin += title.size();
    // The line end before the next title belongs to the title.
    return input.substr(begin, std::min(input.find("\n=== ", begin - 1), input.size()) - begin);
}

std::string safetensors(std::string_view content) {
    if (!content.starts_with('{')) return std::string(content);
    const std::size_t end = std::min(content.find('\0'), content.size());
    const std::uint64_t length = end;
    std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
    bytes += content.substr(0, end);
    if (end < content.size()) bytes += content.substr(end + 1);
    return bytes;
}

void fill_in_fingerprint(const std::string& name, const std::string& other) {
    constexpr std::string_view kWord = "FINGERPRINT";
    if (!fs::exists(folder() / name) || !fs::exists(folder() / other)) return;
    std::string content = read_file(folder() / name);
    const std::size_t place = content.find(kWord);
    if (place == std::string::npos) return;
    write(name, content.replace(place, kWord.size(), fingerprint(read_file(folder() / other))));
}

void write_files(std::string_view input, std::initializer_list<const char*> names) {
    for (const std::string name : names) {
        const std::string_view content = part(input, name);
        if (content.data() == nullptr) continue;
        if (name.ends_with(".safetensors")) {
            write(name, safetensors(content));
        } else {
            write(name, content);
        }
    }
}

}  // namespace bv::fuzz

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
    // Before the first temporary folder is made.
    if (std::filesystem::is_directory("/dev/shm")) ::setenv("TMPDIR", "/dev/shm", 0);
    spdlog::set_level(spdlog::level::off);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    bv::fuzz::empty_folder();
    try {
        bv::fuzz::read({reinterpret_cast<const char*>(data), size});
    } catch (const bv::Error& refused) {
        static const bool show = std::getenv("BV_FUZZ_SHOW") != nullptr;
        if (show) std::fprintf(stderr, "%s\n", refused.what());
        bv::fuzz::require_one_line(refused.what());
    }
    return 0;
}
