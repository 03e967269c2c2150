// store_probe read|list FILE, or store_probe write|raw-write|raw-read FILE FEATURES BLOCK_MIB
//
// How fast states go to disk and come back, without an encoder or a head: for tools/bench/{store,stores}.py.
// On all ranks together. Rank 0 prints {"bytes": ..., "seconds": ...}.
//   read                        reads any store, in the batches of one epoch of training
//   list                        reads the same on one rank, and prints instead for each feature, in this
//                               order, [feature, CRC-32C of its states (L, T, H)]
//   write, raw-write, raw-read  states of a 6-layer BERT of width 384 over features of 168 tokens, in
//                               float16; raw: as many bytes in pieces of the same size by plain calls

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "comm/guard.hpp"
#include "comm/sharding.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/stopwatch.hpp"
#include "helpers/blank_features.hpp"
#include "io/crc32c.hpp"
#include "squad/features/features_file.hpp"
#include "states/feed.hpp"
#include "states/reading_order.hpp"
#include "states/task_states.hpp"
#include "store/store_writer.hpp"

namespace bv {
namespace {

constexpr std::int64_t kTokens = 168;
constexpr std::int64_t kBatch = 16;

Features features_of(std::int64_t count) {
    return blank_features(std::vector<std::int64_t>(static_cast<std::size_t>(count), kTokens));
}

StoreInfo info_of(const Features& features) {
    return {.task = Task::span,
            .dtype = DType::f16,
            .layers = {0, 1, 2, 3, 4, 5, 6},
            .hidden_size = 384,
            .features = features.fingerprint(),
            .batch_tokens = 4096};
}

/// A file's descriptor.
class RawFile {
  public:
    RawFile(const char* path, int flags) : fd_(::open(path, flags | O_CLOEXEC, 0644)), path_(path) {
        if (fd_ < 0) fail("cannot open {}: {}", path, std::strerror(errno));
    }
    ~RawFile() { ::close(fd_); }
    RawFile(const RawFile&) = delete;
    RawFile& operator=(const RawFile&) = delete;

    int get() const { return fd_; }
    void expect(std::int64_t result, std::int64_t expected) const {
        if (result != expected) fail("cannot use {}: {}", path_, std::strerror(errno));
    }

  private:
    int fd_;
    const char* path_;
};

/// What all ranks move, and this rank's part of it.
struct Transfer {
    const char* path;
    std::int64_t features;
    std::int64_t block_bytes;
    const Communicator& ranks;
};

/// Collective: the seconds that `work` takes the slowest rank.
double timed(const Communicator& ranks, const std::function<void()>& work) {
    ranks.barrier();
    const Stopwatch clock;
    work();
    return ranks.max(clock.seconds());
}

double write_store(const Transfer& transfer, std::int64_t& bytes) {
    const Features features = features_of(transfer.features);
    const StoreInfo info = info_of(features);
    const StoreLayout layout = lay_out_states(info, info.states(), features, transfer.block_bytes);
    std::optional<OutputLock> lock;
    if (transfer.ranks.is_root()) lock.emplace(OutputLock::of_file(transfer.path));
    StoreWriter writer(transfer.ranks, std::move(lock), transfer.path, info, layout, /*force=*/true,
                       [&](h5::Group& root) { write_features_table(root, features); });
    const auto size = static_cast<std::size_t>(info.states() * layout.rows_of(0) * info.row_bytes());
    const std::vector<char> block(size, 1);
    return timed(transfer.ranks, [&] {
        for (std::int64_t b = transfer.ranks.rank(); b < layout.blocks(); b += transfer.ranks.size()) {
            bytes += writer.write_block(b, block.data());
        }
        writer.close();
    });
}

/// This rank's batches of one epoch of training, a group for each window.
std::vector<FeatureBatches> batches_of_epoch(const StateSource& source, const Communicator& ranks) {
    const std::vector<std::int64_t> rows = source.rows_of_features();
    std::vector<FeatureBatches> groups;
    for (const auto& window : reading_windows(source.layout(), /*seed=*/1, /*epoch=*/0)) {
        groups.emplace_back();
        const std::int64_t steps = steps_per_epoch(static_cast<std::int64_t>(window.size()), kBatch);
        for (std::int64_t step = 0; step < steps; ++step) {
            groups.back().push_back(split_by_tokens(batch_of_step(window, kBatch, step), rows,
                                                    ranks.size())[static_cast<std::size_t>(ranks.rank())]);
        }
    }
    return groups;
}

double read_store(const Transfer& transfer, std::int64_t& bytes) {
    const auto source = open_store(transfer.path, /*cache_gib=*/0);
    const std::vector<FeatureBatches> groups = batches_of_epoch(*source, transfer.ranks);
    return timed(transfer.ranks, [&] {
        for (const FeatureBatches& group : groups) {
            for (const StateBatch& batch : source->read(group)) {
                bytes += batch.rows() * source->info().states() * source->info().row_bytes();
            }
        }
    });
}

/// Prints what `read_store` reads.
void list_store(const Transfer& transfer) {
    if (transfer.ranks.size() != 1) fail("store_probe list needs one rank");
    const auto source = open_store(transfer.path, /*cache_gib=*/0);
    std::vector<std::string> found;
    for (const FeatureBatches& group : batches_of_epoch(*source, transfer.ranks)) {
        for (const StateBatch& batch : source->read(group)) {
            for (std::size_t b = 0; b < batch.packed->examples.size(); ++b) {
                const at::Tensor states =
                    batch.states.narrow(1, batch.packed->starts[b], batch.packed->rows_of(b)).contiguous();
                found.push_back(fmt::format("[{}, {}]", batch.packed->examples[b],
                                            crc32c(states.data_ptr(), states.nbytes())));
            }
        }
    }
    fmt::print("[{}]\n", fmt::join(found, ", "));
}

/// Of a store of as many features: pieces of one state of one block, and how many a rank has.
struct Pieces {
    explicit Pieces(const Transfer& transfer) {
        const Features features = features_of(transfer.features);
        const StoreInfo info = info_of(features);
        const StoreLayout layout = lay_out_states(info, info.states(), features, transfer.block_bytes);
        size = layout.rows_of(0) * info.row_bytes();
        all = info.states() * layout.blocks();
        first = all * transfer.ranks.rank() / transfer.ranks.size();
        last = all * (transfer.ranks.rank() + 1) / transfer.ranks.size();
    }
    std::int64_t size, all, first, last;
};

double write_raw(const Transfer& transfer, std::int64_t& bytes) {
    const Pieces pieces(transfer);
    transfer.ranks.root_only([&] {
        const RawFile file(transfer.path, O_RDWR | O_CREAT | O_TRUNC);
        file.expect(::fallocate(file.get(), 0, 0, pieces.size * pieces.all), 0);
    });
    const RawFile file(transfer.path, O_RDWR);
    const std::vector<char> piece(static_cast<std::size_t>(pieces.size), 1);
    return timed(transfer.ranks, [&] {
        for (std::int64_t i = pieces.first; i < pieces.last; ++i) {
            file.expect(::pwrite(file.get(), piece.data(), piece.size(), i * pieces.size), pieces.size);
            bytes += pieces.size;
        }
        file.expect(::fdatasync(file.get()), 0);
    });
}

double read_raw(const Transfer& transfer, std::int64_t& bytes) {
    const Pieces pieces(transfer);
    const RawFile file(transfer.path, O_RDONLY);
    std::atomic<std::int64_t> read = 0;
    const double seconds = timed(transfer.ranks, [&] {
        parallel_for(pieces.last - pieces.first, 4, [&](std::int64_t i) {
            const auto piece = std::make_unique_for_overwrite<char[]>(static_cast<std::size_t>(pieces.size));
            file.expect(::pread(file.get(), piece.get(), static_cast<std::size_t>(pieces.size),
                                (pieces.first + i) * pieces.size),
                        pieces.size);
            read += pieces.size;
        });
    });
    bytes = read;
    return seconds;
}

}  // namespace
}  // namespace bv

int main(int argc, char** argv) {
    return bv::run_on_ranks([&](const bv::Communicator& ranks) {
        const std::string action = argc > 1 ? argv[1] : "";
        const bool any_store = action == "read" || action == "list";
        if (argc != (any_store ? 3 : 5)) {
            bv::fail(
                "usage: store_probe read|list FILE, or write|raw-write|raw-read FILE FEATURES BLOCK_MIB");
        }
        const bv::Transfer transfer{
            argv[2], any_store ? 0 : std::atoll(argv[3]),
            any_store ? 0 : static_cast<std::int64_t>(std::atof(argv[4]) * 1024 * 1024), ranks};
        if (action == "list") return bv::list_store(transfer);
        std::int64_t bytes = 0;
        const double seconds = action == "write"       ? bv::write_store(transfer, bytes)
                               : action == "read"      ? bv::read_store(transfer, bytes)
                               : action == "raw-write" ? bv::write_raw(transfer, bytes)
                                                       : bv::read_raw(transfer, bytes);
        const std::int64_t all = ranks.sum(bytes);
        if (ranks.is_root()) fmt::print("{{\"bytes\": {}, \"seconds\": {}}}\n", all, seconds);
    });
}
