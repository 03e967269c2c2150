// Features files, written from the text that hdf5_text.hpp describes.
#include "frame.hpp"
#include "hdf5_text.hpp"
#include "squad/features/features_file.hpp"

void bv::fuzz::read(std::string_view input) {
    const auto path = folder() / "features.h5";
    if (write_hdf5(path, input)) read_features(path, h5::File::Truncated::open);
}
