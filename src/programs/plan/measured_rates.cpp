#include "programs/plan/measured_rates.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <unistd.h>

#include "bert/model.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/stopwatch.hpp"
#include "io/descriptor.hpp"
#include "io/paths.hpp"
#include "optim/adam.hpp"
#include "optim/flat_parameters.hpp"
#include "optim/gradient_sync.hpp"
#include "programs/finetune/trainer.hpp"
#include "states/task_states.hpp"

namespace bv {
namespace {

constexpr double kSeconds = 8;  // each measurement takes at least this long

/// A batch of `count` sequences of `tokens` random wordpieces each.
Batch random_batch(const BertConfig& config, std::int64_t count, std::int64_t tokens) {
    Features features;
    std::mt19937 draw(1);
    std::uniform_int_distribution<std::int32_t> word(0, static_cast<std::int32_t>(config.vocabulary - 1));
    std::vector<std::int64_t> which;
    features.starts.push_back(0);
    for (std::int64_t f = 0; f < count; ++f) {
        which.push_back(f);
        features.starts.push_back(features.starts.back() + tokens);
        features.question_of.push_back(f);
        features.start_label.push_back(1);
        features.end_label.push_back(2);
    }
    for (std::int64_t i = 0; i < features.tokens(); ++i) features.ids.push_back(word(draw));
    features.segments.assign(features.ids.size(), 0);
    return make_batch(features, which);
}

/// Collective: how often all ranks together do `work` in a second.
double rate_of(const std::function<void()>& work, at::Device device, const Communicator& ranks) {
    const auto finish = [&] {
        if (!device.is_cpu()) {
            const c10::impl::VirtualGuardImpl guard(device.type());
            guard.getStream(device).synchronize();
        }
    };
    work();  // the first call allocates
    finish();
    ranks.barrier();
    const Stopwatch clock;
    std::int64_t done = 0;
    while (clock.seconds() < kSeconds) {
        work();
        finish();
        ++done;
    }
    return ranks.sum(static_cast<double>(done) / clock.seconds());
}

/// A file without a name: it is gone when this object is, or when the program is killed.
class ScratchFile {
  public:
    explicit ScratchFile(std::filesystem::path path)
        : path_(std::move(path)), file_(path_, O_RDWR | O_CREAT | O_TRUNC, 0600) {
        if (!file_.ok()) fail("cannot create {}: {}", path_.string(), std::strerror(errno));
        ::unlink(path_.c_str());
    }

    /// Throws Error, which names the file, unless `result`, which a system call has returned, is `expected`.
    void expect(std::int64_t result, std::int64_t expected) const {
        if (result == expected) return;
        const int why = result < 0 ? errno : ENOSPC;  // a call that did a part of its work sets no errno
        fail("cannot use {}: {}", path_.string(), std::strerror(why));
    }
    int descriptor() const { return file_.get(); }

  private:
    std::filesystem::path path_;
    Descriptor file_;
};

void measure_disk(const std::filesystem::path& folder, StudyRates& rates) {
    constexpr std::int64_t kPiece = std::int64_t{8} << 20;
    constexpr std::int64_t kPieces = 128;
    const ScratchFile file(folder / fmt::format("bv_plan-{}.tmp", ::getpid()));
    std::vector<char> piece(kPiece, 1);
    const Stopwatch writing;
    for (std::int64_t i = 0; i < kPieces; ++i) {
        file.expect(::pwrite(file.descriptor(), piece.data(), kPiece, i * kPiece), kPiece);
    }
    file.expect(::fsync(file.descriptor()), 0);
    rates.written_bytes = static_cast<double>(kPiece * kPieces) / writing.seconds();
    ::posix_fadvise(file.descriptor(), 0, 0,
                    POSIX_FADV_DONTNEED);  // without it the pieces may come from memory
    const Stopwatch reading;
    for (std::int64_t i = 0; i < kPieces; ++i) {
        file.expect(::pread(file.descriptor(), piece.data(), kPiece, i * kPiece), kPiece);
    }
    rates.read_bytes = static_cast<double>(kPiece * kPieces) / reading.seconds();
}

}  // namespace

StudyRates measure_rates(const BertConfig& config, std::int64_t tokens, std::int64_t sequences,
                         const std::filesystem::path& folder, const Compute& compute,
                         const Communicator& ranks) {
    StudyRates rates;
    ranks.root_only([&] {
        if (!is_folder(folder)) fail("{} is no folder to measure a disk in", folder.string());
        spdlog::info("measuring the disk of {}", folder.string());
        measure_disk(folder, rates);
    });
    if (ranks.is_root()) spdlog::info("measuring the encoder");
    Model model(config, Task::span, /*seed=*/1);
    model.to(compute.device, compute.precision);
    const Batch training = random_batch(config, sequences, tokens).to(compute.device);
    const DropoutKey key{};
    FlatParameters flat = flatten(model);
    Adam optimizer(flat, {});
    rates.tuned_tokens = static_cast<double>(training.tokens()) *
                         rate_of(
                             [&] {
                                 flat.zero_gradients();
                                 model.loss(training, model.logits(training, &key)).backward();
                                 gradient_norm(flat);
                                 optimizer.step({0});
                             },
                             compute.device, ranks);
    const std::int64_t encoded = std::max<std::int64_t>(1, 4096 / tokens);
    model.freeze();
    const Batch encoding = random_batch(config, encoded, tokens).to(compute.device);
    const c10::NoGradGuard no_graph;
    rates.encoded_tokens = static_cast<double>(encoding.tokens()) *
                           rate_of([&] { task_states(model, encoding); }, compute.device, ranks);
    return rates;
}

}  // namespace bv
