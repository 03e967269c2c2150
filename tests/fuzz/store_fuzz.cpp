// Embedding stores, written from the text that hdf5_text.hpp describes: opened, checked, and read.
#include <vector>

#include "frame.hpp"
#include "hdf5_text.hpp"
#include "store/store.hpp"

void bv::fuzz::read(std::string_view input) {
    const auto path = folder() / "store.h5";
    if (!write_hdf5(path, input)) return;
    const Store store(path, Store::Accept::damaged);
    for (std::int64_t b = 0; b < store.layout().blocks(); ++b) store.sound(b);
    const Store whole(path);
    for (std::int64_t s = 0; s < whole.states(); ++s) {
        for (std::int64_t p = 0; p < whole.features(); ++p) {
            std::vector<char> rows(
                static_cast<std::size_t>(whole.layout().rows_at(p) * whole.info().row_bytes()));
            void* const target = rows.data();
            whole.read(s, p, {&target, 1});
        }
    }
}
