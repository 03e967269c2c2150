#include "programs/extract/writer_loop.hpp"

#include <algorithm>
#include <array>

#include <ATen/ATen.h>

#include "comm/sharding.hpp"
#include "core/background.hpp"
#include "core/error.hpp"
#include "core/progress.hpp"
#include "core/stop_signal.hpp"
#include "core/stopwatch.hpp"

namespace bv {
namespace {

std::vector<std::int64_t> blocks_of_rank(const StoreWriter& writer, const BlockMaker& maker,
                                         const StoreLayout& layout, const Communicator& ranks) {
    std::vector<std::int64_t> tokens_of;
    for (std::int64_t b = 0; b < layout.blocks(); ++b) tokens_of.push_back(maker.tokens(b));
    return split_by_tokens(writer.missing(), tokens_of, ranks.size())[static_cast<std::size_t>(ranks.rank())];
}

}  // namespace

std::string Extraction::text() const {
    const double per = 1 / std::max(seconds, 1e-9);
    return fmt::format(
        "{} features, {} tokens, {:.1f} MB in {} ({:.1f} features/s, {:.0f} tokens/s, {:.1f} MB/s, {:.0f} % "
        "of the time waiting for the disk)",
        features, tokens, static_cast<double>(bytes) * 1e-6, duration_text(seconds),
        static_cast<double>(features) * per, static_cast<double>(tokens) * per,
        static_cast<double>(bytes) * per * 1e-6, 100 * waited * per);
}

Extraction extract_missing(StoreWriter& writer, BlockMaker& maker, const StoreLayout& layout,
                           const Communicator& ranks) {
    const std::vector<std::int64_t> blocks = blocks_of_rank(writer, maker, layout, ranks);
    std::int64_t features = 0;
    for (const std::int64_t block : blocks) features += layout.positions_of(block);
    const Stopwatch clock;
    Progress progress(
        ranks.size() == 1 ? "extracting" : fmt::format("extracting (rank {}'s share)", ranks.rank()),
        "features", features, !ranks.is_root());

    Extraction mine;
    const std::array<at::Tensor, 2> buffers{maker.buffer(), maker.buffer()};
    std::int64_t written = 0;  // bytes; the writing thread counts them
    Background writing;
    for (const std::int64_t block : blocks) {
        const at::Tensor& buffer = buffers[static_cast<std::size_t>(mine.blocks % 2)];
        try {
            maker.make(block, buffer);
        } catch (const Error& wrong) {
            fail("{}: {}", writer.path().string(), wrong.what());
        }
        const double began = clock.seconds();
        writing.run([&writer, &written, block, buffer] {
            written += writer.write_block(block, buffer.const_data_ptr());
        });
        mine.waited += clock.seconds() - began;
        mine.blocks += 1;
        mine.features += layout.positions_of(block);
        mine.tokens += maker.tokens(block);
        progress.advance(layout.positions_of(block),
                         fmt::format("{:.0f} tokens/s, {:.0f} % of the time waiting for the disk",
                                     static_cast<double>(mine.tokens) / clock.seconds(),
                                     100 * mine.waited / clock.seconds()));
        if (stop_requested()) break;
    }
    const double computed = clock.seconds();
    writing.wait();
    mine.waited += clock.seconds() - computed;
    writer.close();
    const std::int64_t left = ranks.sum(static_cast<std::int64_t>(blocks.size()) - mine.blocks);
    if (left > 0) {
        throw Stopped(fmt::format(
            "told to stop: {} of {} blocks are still missing; start the same command again to go on", left,
            layout.blocks()));
    }
    return {ranks.sum(mine.blocks), ranks.sum(mine.features),   ranks.sum(mine.tokens),
            ranks.sum(written),     ranks.max(clock.seconds()), ranks.max(mine.waited)};
}

}  // namespace bv
