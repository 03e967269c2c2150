#include "store/store_writer.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "core/error.hpp"
#include "core/files.hpp"
#include "core/log.hpp"
#include "store/crc32c.hpp"
#include "store/store.hpp"
#include "store/store_format.hpp"
#include "store/store_lock.hpp"

namespace bv {
namespace {

constexpr hsize_t kAlignment = hsize_t{1}
                               << 20;  // of large arrays: file systems stripe and lock by ranges this wide

/// A descriptor of ours for what HDF5 has no call for.
class Descriptor {
  public:
    explicit Descriptor(const std::filesystem::path& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
        if (fd_ < 0) fail("cannot open {}: {}", path.string(), std::strerror(errno));
    }
    ~Descriptor() { ::close(fd_); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

std::filesystem::path parent_of(const std::filesystem::path& path) {
    return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Takes the disk's space for the whole file.
void reserve(const std::filesystem::path& path, const std::filesystem::path& shown) {
    const auto size = std::filesystem::file_size(path);
    const Descriptor file(path);
    if (::fallocate(file.get(), 0, 0, static_cast<off_t>(size)) == 0) return;
    const int why = errno;
    const auto free = std::filesystem::space(path).available;
    if (why != EOPNOTSUPP || free < size) {
        fail("cannot reserve {} bytes for {}: {} ({} bytes are free)", size, shown.string(),
             std::strerror(why), free);
    }
    spdlog::warn("{}: its file system reserves no space; {} of {} free bytes will be needed", shown.string(),
                 size, free);
}

// Makes the store aside and renames it: a file of that name is always a whole, openable store, if an
// incomplete one.
void create(const std::filesystem::path& path, const StoreInfo& info, const StoreLayout& layout,
            const StoreWriter::WriteTable& write_table) {
    auto aside = path;
    aside += ".partial";
    try {
        const h5::Handle access = h5::property_list(H5P_FILE_ACCESS);
        h5::check(H5Pset_alignment(access.get(), kAlignment, kAlignment), "cannot align an HDF5 file");
        h5::File file = h5::File::create(aside, access.get());
        {
            h5::Group root = file.root();
            write_table(root);
        }
        write_head(file, info, layout);
        file.close();
        reserve(aside, path);
        flush_to_disk(aside);
        std::filesystem::rename(aside, path);
        flush_to_disk(parent_of(path));
    } catch (...) {
        std::error_code failed;
        std::filesystem::remove(aside, failed);
        throw;
    }
}

// Throws Error unless the store at `path` is an incomplete one of what is about to be written.
void require_resumable(const std::filesystem::path& path, const StoreInfo& info, const StoreLayout& layout) {
    const h5::File file = [&] {
        try {
            return h5::File::open(path);
        } catch (const Error& error) {
            fail("{} exists already and is no store to finish ({}); --force replaces it", path.string(),
                 error.what());
        }
    }();
    const StoreInfo found = read_info(file);
    auto agree = [&](const char* key, const auto& there, const auto& here) {
        if (there != here) {
            fail("{} exists already and has {} {}, not {}; --force replaces it", path.string(), key, there,
                 here);
        }
    };
    agree("task", found.task, info.task);
    agree("dtype", name_of(found.dtype), name_of(info.dtype));
    agree("layers", list_text(found.layers), list_text(info.layers));
    agree("hidden size", found.hidden_size, info.hidden_size);
    agree("checkpoint", found.checkpoint, info.checkpoint);
    agree("epoch", found.epoch, info.epoch);
    agree("features", found.features, info.features);
    if (read_layout(file, found) != layout) {
        fail("{} exists already and lays its features out in other blocks; --force replaces it",
             path.string());
    }
    if (missing_blocks(file, found, layout).empty()) {
        fail("{} exists already and is complete; --force replaces it", path.string());
    }
}

}  // namespace

struct StoreWriter::Open {
    std::optional<StoreLock> lock;  // of rank 0; outlives the file
    std::optional<Descriptor> descriptor;
    std::optional<h5::File> file;
    h5::Handle states, records, type;
};

StoreWriter::StoreWriter(const Communicator& ranks, const std::filesystem::path& path, const StoreInfo& info,
                         const StoreLayout& layout, bool force, const WriteTable& write_table)
    : path_(path), info_(info), layout_(layout), open_(std::make_unique<Open>()) {
    ranks.root_only([&] {
        std::error_code failed;
        std::filesystem::create_directories(parent_of(path), failed);
        if (failed) fail("cannot create folder {}: {}", parent_of(path).string(), failed.message());
        open_->lock.emplace(path);
        if (force) std::filesystem::remove(path);
        if (std::filesystem::exists(path)) {
            require_resumable(path, info, layout);
        } else {
            create(path, info, layout, write_table);
        }
    });
    try {
        ranks.agree([&] {
            const h5::Handle access = h5::property_list(H5P_FILE_ACCESS);
            h5::check(H5Pset_fapl_mpio(access.get(), ranks.handle(), MPI_INFO_NULL), "cannot use MPI-IO");
            open_->file = h5::File::open_to_write(path, access.get());
            open_->states = open_states(*open_->file);
            open_->records = open_records(*open_->file);
            open_->type = state_type(info.dtype);
            open_->descriptor.emplace(path);
            missing_ = missing_blocks(*open_->file, info, layout);
        });
    } catch (...) {
        abandon();
        throw;
    }
}

StoreWriter::~StoreWriter() {
    if (open_ != nullptr) abandon();
}

void StoreWriter::abandon() {
    open_->lock.reset();
    static_cast<void>(open_.release());
}

std::int64_t StoreWriter::write_block(std::int64_t block, const void* data) {
    const std::string what = fmt::format("cannot write block {} of {}", block, path_.string());
    const auto rows = static_cast<hsize_t>(layout_.rows_of(block));
    const auto hidden = static_cast<hsize_t>(info_.hidden_size);
    const std::size_t bytes = rows * hidden * size_of(info_.dtype);
    const h5::Handle space(H5Dget_space(open_->states.get()), H5Sclose, what);
    const std::array<hsize_t, 3> count{1, rows, hidden};
    const h5::Handle memory(H5Screate_simple(3, count.data(), nullptr), H5Sclose, what);

    std::vector<std::uint32_t> record{kWritten};
    for (std::int64_t s = 0; s < info_.states(); ++s) {
        const auto* values = static_cast<const char*>(data) + static_cast<std::size_t>(s) * bytes;
        const std::array<hsize_t, 3> first{static_cast<hsize_t>(s),
                                           static_cast<hsize_t>(layout_.first_row(block)), 0};
        h5::check(
            H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, first.data(), nullptr, count.data(), nullptr),
            what);
        h5::check(
            H5Dwrite(open_->states.get(), open_->type.get(), memory.get(), space.get(), H5P_DEFAULT, values),
            what);
        record.push_back(crc32c(values, bytes));
    }
    // A record vouches for its data, so it must not reach the disk before them.
    if (::fdatasync(open_->descriptor->get()) != 0) fail("{}: {}", what, std::strerror(errno));

    const h5::Handle all(H5Dget_space(open_->records.get()), H5Sclose, what);
    const std::array<hsize_t, 2> row{static_cast<hsize_t>(block), 0};
    const std::array<hsize_t, 2> width{1, record.size()};
    const h5::Handle one(H5Screate_simple(2, width.data(), nullptr), H5Sclose, what);
    h5::check(H5Sselect_hyperslab(all.get(), H5S_SELECT_SET, row.data(), nullptr, width.data(), nullptr),
              what);
    h5::check(
        H5Dwrite(open_->records.get(), H5T_NATIVE_UINT32, one.get(), all.get(), H5P_DEFAULT, record.data()),
        what);
    return info_.states() * static_cast<std::int64_t>(bytes);
}

void StoreWriter::close() {
    BV_EXPECT(open_ != nullptr);
    if (::fdatasync(open_->descriptor->get()) != 0) {
        fail("cannot flush {} to disk: {}", path_.string(), std::strerror(errno));
    }
    open_->states = {};
    open_->records = {};
    open_->file->close();
    open_.reset();
}

}  // namespace bv
