#include "store/store_writer.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/background.hpp"
#include "core/error.hpp"
#include "core/host_name.hpp"
#include "core/log.hpp"
#include "io/descriptor.hpp"
#include "io/files.hpp"
#include "io/paths.hpp"
#include "store/store.hpp"
#include "store/store_format.hpp"

namespace bv {
namespace {

/// Large arrays begin at multiples of this, because file systems stripe and lock ranges of this size.
constexpr hsize_t kAlignment = hsize_t{1} << 20;

/// Opens a descriptor for the system calls for which HDF5 has no function.
Descriptor descriptor_of(const std::filesystem::path& path) {
    Descriptor file(path, O_RDWR);
    if (!file.ok()) fail("cannot open {}: {}", path.string(), std::strerror(errno));
    return file;
}

// Allocates disk space for a file of `size` bytes, and extends it if it is shorter. Its content does not
// change.
void reserve(const std::filesystem::path& path, std::uintmax_t size, const std::filesystem::path& shown) {
    const Descriptor file = descriptor_of(path);
    int why = EINTR;  // some file systems let the stop signal interrupt this call
    while (why == EINTR) {
        if (::fallocate(file.get(), 0, 0, static_cast<off_t>(size)) == 0) return;
        why = errno;
    }
    struct stat there {};
    const bool known = ::fstat(file.get(), &there) == 0;
    const std::uintmax_t taken = known ? static_cast<std::uintmax_t>(there.st_blocks) * 512 : 0;
    const std::uintmax_t needed = size - std::min(size, taken);
    std::error_code unknown;
    const auto free = std::filesystem::space(path, unknown).available;
    if ((why != EOPNOTSUPP && why != ENOSYS) || free < needed) {
        fail("cannot reserve {} bytes for {}: {} ({} bytes are free)", needed, shown.string(),
             std::strerror(why), free);
    }
    spdlog::warn("{}: its file system reserves no space; {} of {} free bytes will be needed", shown.string(),
                 needed, free);
    if (known && static_cast<std::uintmax_t>(there.st_size) < size &&
        ::ftruncate(file.get(), static_cast<off_t>(size)) != 0) {
        fail("cannot extend {} to {} bytes: {}", shown.string(), size, std::strerror(errno));
    }
}

// Creates the store as another file and renames it. So a file with the store's name can always be opened as a
// store, even if blocks are missing.
void create(const std::filesystem::path& path, const StoreInfo& info, const StoreLayout& layout,
            const StoreWriter::WriteTable& write_table) {
    AsideFile aside(path);
    // The metadata stand in one piece before the states, so that a file that was cut short has lost only
    // states.
    h5::File file = h5::File::create(aside.path(), kAlignment);
    {
        h5::Group root = file.root();
        write_table(root);
    }
    write_header(file, info, layout);
    file.close();
    reserve(aside.path(), file_bytes(aside.path()), path);
    flush_to_disk(aside.path());
    aside.take_place();
}

// Whether the file at `path` is a store whose end is missing.
bool is_cut_short(const std::filesystem::path& path) {
    try {
        read_info(h5::File::open(path, h5::File::Truncated::open));
        return true;
    } catch (const Error&) {
        return false;
    }
}

// Throws Error unless the store at `path`, complete or not, is the same as the one that is to be written.
void require_resumable(const std::filesystem::path& path, const StoreInfo& info, const StoreLayout& layout) {
    const h5::File file = [&] {
        try {
            return h5::File::open(path);
        } catch (const Error& error) {
            fail("{} exists already and is no store that can be continued ({}); {}--force replaces it",
                 path.string(), error.what(),
                 is_cut_short(path) ? "bv_store repair keeps its whole blocks and computes the others again, "
                                    : "");
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
    agree("layers", fmt::format("{}", fmt::join(found.layers, ", ")),
          fmt::format("{}", fmt::join(info.layers, ", ")));
    agree("hidden size", found.hidden_size, info.hidden_size);
    agree("checkpoint", found.checkpoint, info.checkpoint);
    agree("precision", name_of(found.precision), name_of(info.precision));
    agree("epoch", found.epoch, info.epoch);
    agree("features", found.features, info.features);
    if (read_layout(file, found) != layout) {
        fail("{} exists already and lays its features out in other blocks; --force replaces it",
             path.string());
    }
}

// Whether the store at `path` is the one that is to be written, and lacks blocks.
bool is_unfinished(const std::filesystem::path& path, const StoreInfo& info, const StoreLayout& layout) {
    try {
        require_resumable(path, info, layout);
        return !read_records(h5::File::open(path), info, layout).missing().empty();
    } catch (const Error&) {
        return false;
    }
}

// Throws Error if the states of a new store do not fit on the disk in place of the file at `path`.
void require_room(const std::filesystem::path& path, const StoreInfo& info, const StoreLayout& layout) {
    struct stat old {};
    std::error_code unknown;
    const auto free = std::filesystem::space(path, unknown).available;
    if (unknown || ::stat(path.c_str(), &old) != 0) return;
    const auto states = static_cast<std::uintmax_t>(info.states() * layout.rows() * info.row_bytes());
    const std::uintmax_t room = free + static_cast<std::uintmax_t>(old.st_blocks) * 512;
    if (room < states) {
        fail(
            "cannot replace {}: the new states take {} bytes, but only {} are there (the old file among "
            "them)",
            path.string(), states, room);
    }
}

// Throws Error on a rank on which `path` is another file than on rank 0, which holds the lock beside it.
void require_same_file(const Communicator& ranks, const std::filesystem::path& path) {
    const auto text_there = [&] {
        try {
            return read_file(OutputLock::beside(path));
        } catch (const Error& error) {
            return std::string(error.what());
        }
    };
    const std::string of_root = ranks.broadcast(ranks.is_root() ? text_there() : "");
    ranks.agree([&] {
        const std::string own = text_there();
        if (own == of_root) return;
        fail(
            "rank {} on host {} does not see the {} that rank 0 writes: it must lie in a folder that all "
            "ranks share",
            ranks.rank(), host_name(), path.string());
    });
}

// Writes `values` to the part of `dataset` that begins at `first` and has the shape `extent`.
template <std::size_t N>
void write_part(const h5::Handle& dataset, hid_t type, const std::array<hsize_t, N>& first,
                const std::array<hsize_t, N>& extent, const void* values, const std::string& what) {
    const h5::Handle all(H5Dget_space(dataset.get()), H5Sclose, what);
    const h5::Handle part(H5Screate_simple(N, extent.data(), nullptr), H5Sclose, what);
    h5::check(H5Sselect_hyperslab(all.get(), H5S_SELECT_SET, first.data(), nullptr, extent.data(), nullptr),
              what);
    h5::check(H5Dwrite(dataset.get(), type, part.get(), all.get(), H5P_DEFAULT, values), what);
}

// Runs `write`. HDF5 does not say that a disk is full, so the free space is added to its errors.
void with_space(const std::filesystem::path& path, const std::function<void()>& write) {
    try {
        write();
    } catch (const Error& error) {
        std::error_code unknown;
        fail("{} ({} bytes are free on its file system; the same command goes on from here)", error.what(),
             std::filesystem::space(path, unknown).available);
    }
}

}  // namespace

struct StoreWriter::Open {
    explicit Open(std::optional<OutputLock> held) : lock(std::move(held)) {}

    std::optional<OutputLock> lock;  // on rank 0; must live longer than the file
    Descriptor descriptor;
    std::optional<h5::File> file;
    h5::Handle states, records, type;
    std::mutex hdf5;        // HDF5 is not thread-safe
    Background committing;  // commits the last block; destroyed before the members above, which it uses
};

void mark_missing(const std::filesystem::path& path, std::span<const std::int64_t> blocks) {
    hsize_t size = 0;
    {
        const h5::File file = h5::File::open(path, h5::File::Truncated::open);
        h5::check(H5Fget_filesize(file.id(), &size),
                  fmt::format("cannot tell the size of {}", path.string()));
    }
    reserve(path, size, path);
    h5::File file = h5::File::open_to_write(path);
    const StoreInfo info = read_info(file);
    const std::vector<std::uint32_t> none(
        static_cast<std::size_t>(BlockRecords(info, read_layout(file, info)).width()), 0);
    {
        const h5::Handle records = open_records(file);
        for (const std::int64_t block : blocks) {
            write_part<2>(records, H5T_NATIVE_UINT32, {static_cast<hsize_t>(block), 0}, {1, none.size()},
                          none.data(), fmt::format("cannot mark block {} of {}", block, path.string()));
        }
    }
    file.close();
    flush_to_disk(path);
}

StoreWriter::StoreWriter(const Communicator& ranks, std::optional<OutputLock> lock,
                         const std::filesystem::path& path, const StoreInfo& info, const StoreLayout& layout,
                         bool force, const WriteTable& write_table)
    : path_(path), info_(info), layout_(layout), open_(std::make_unique<Open>(std::move(lock))) {
    ranks.root_only([&] {
        BV_EXPECT(open_->lock.has_value());
        if (force && is_there(path) && !is_unfinished(path, info, layout)) {
            require_room(path, info, layout);
            remove_file(path);
        }
        if (is_there(path)) {
            require_resumable(path, info, layout);
        } else {
            create(path, info, layout, write_table);
        }
    });
    try {
        require_same_file(ranks, path);
        ranks.agree([&] {
            const h5::Handle access = h5::property_list(H5P_FILE_ACCESS);
            h5::check(H5Pset_fapl_mpio(access.get(), ranks.handle(), MPI_INFO_NULL), "cannot use MPI-IO");
            open_->file = h5::File::open_to_write(path, access.get());
            open_->states = open_states(*open_->file);
            open_->records = open_records(*open_->file);
            open_->type = state_type(info.dtype);
            open_->descriptor = descriptor_of(path);
            missing_ = read_records(*open_->file, info, layout).missing();
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
    try {
        open_->committing.wait();
    } catch (const std::exception& failure) {
        spdlog::warn("a block of {} stays missing: {}", path_.string(), failure.what());
    }
    open_->lock.reset();
    static_cast<void>(open_.release());
}

std::int64_t StoreWriter::write_block(std::int64_t block, const void* data) {
    const std::int64_t bytes = layout_.rows_of(block) * info_.row_bytes();
    with_space(path_, [&] {
        const std::string what = fmt::format("cannot write block {} of {}", block, path_.string());
        const auto rows = static_cast<hsize_t>(layout_.rows_of(block));
        const auto first_row = static_cast<hsize_t>(layout_.first_row(block));
        const std::scoped_lock alone(open_->hdf5);
        for (std::int64_t s = 0; s < info_.states(); ++s) {
            write_part<3>(open_->states, open_->type.get(), {static_cast<hsize_t>(s), first_row, 0},
                          {1, rows, static_cast<hsize_t>(info_.row_elements())},
                          static_cast<const char*>(data) + s * bytes, what);
        }
    });
    // The next block may be written while this one is flushed to the disk.
    open_->committing.run(
        [this, block, record = BlockRecords::of(info_, layout_, block, data)] { commit(block, record); });
    return info_.states() * bytes;
}

void StoreWriter::commit(std::int64_t block, const std::vector<std::uint32_t>& record) {
    with_space(path_, [&] {
        const std::string what = fmt::format("cannot write block {} of {}", block, path_.string());
        // A record says that its data are written, so it must not reach the disk before them.
        if (::fdatasync(open_->descriptor.get()) != 0) fail("{}: {}", what, std::strerror(errno));
        const std::scoped_lock alone(open_->hdf5);
        write_part<2>(open_->records, H5T_NATIVE_UINT32, {static_cast<hsize_t>(block), 0}, {1, record.size()},
                      record.data(), what);
    });
}

void StoreWriter::close() {
    BV_EXPECT(open_ != nullptr);
    open_->committing.wait();
    if (::fdatasync(open_->descriptor.get()) != 0) {
        fail("cannot flush {} to disk: {}", path_.string(), std::strerror(errno));
    }
    open_->states = {};
    open_->records = {};
    open_->file->close();
    open_.reset();
}

}  // namespace bv
