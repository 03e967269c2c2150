// A head's folder as bv_eval loads it.
#include <algorithm>
#include <cctype>

#include "frame.hpp"
#include "heads/head_file.hpp"

void bv::fuzz::read(std::string_view input) {
    // A head as large as its definition says is a user's right; here it would only be out of memory.
    int digits = 0;
    for (const char c : part(input, "head.json")) {
        digits = std::isdigit(static_cast<unsigned char>(c)) != 0 ? digits + 1 : 0;
        if (digits > 3) return;
    }
    write_files(input, {"head.json", "head.safetensors"});
    fill_in_fingerprint("head.json", "head.safetensors");
    load_head(folder());
}
