// For each line "features|store|checkpoint|head|logits PATH" of the input this program prints "ok
// FINGERPRINT", with the fingerprint of everything that a reader of this file or folder gets, or "refused
// MESSAGE". So a test reads hundreds of damaged copies without starting hundreds of programs.

#include <iostream>
#include <memory>
#include <string>

#include <ATen/ATen.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "bert/config.hpp"
#include "bert/model.hpp"
#include "bert/pretrained.hpp"
#include "comm/run_alone.hpp"
#include "core/error.hpp"
#include "heads/head_file.hpp"
#include "io/files.hpp"
#include "optim/checkpoint.hpp"
#include "squad/features/features_file.hpp"
#include "squad/scoring/logits.hpp"
#include "store/store.hpp"

namespace bv {
namespace {

/// The fingerprint of what was read so far.
class Sum {
  public:
    void add(const std::string& text) { all_ = fingerprint(all_ + fingerprint(text)); }
    void add(const at::Tensor& tensor) {
        const at::Tensor dense = tensor.detach().contiguous();
        add(std::string(static_cast<const char*>(dense.const_data_ptr()), dense.nbytes()));
    }
    const std::string& text() const { return all_; }

  private:
    std::string all_;
};

void read_store(const std::string& path, Sum& sum) {
    const Store store(path);
    const StoreInfo& info = store.info();
    const StoreLayout& layout = store.layout();
    sum.add(fmt::format("{} {} {} {} {} {} {} {} {}", info.task, name_of(info.dtype), info.layers,
                        info.hidden_size, info.checkpoint, name_of(info.precision), info.epoch, info.features,
                        info.config));
    sum.add(fmt::format("{} {} {}", layout.original, layout.starts, layout.block_starts));
    sum.add(read_features(path).fingerprint());
    for (std::int64_t s = 0; s < store.states(); ++s) {
        for (std::int64_t p = 0; p < store.features(); ++p) {
            std::string rows(static_cast<std::size_t>(layout.rows_at(p) * info.row_bytes()), '\0');
            void* const target = rows.data();
            store.read(s, p, {&target, 1});
            sum.add(rows);
        }
    }
}

void read_model(const std::string& path, Sum& sum) {
    const auto about = read_checkpoint(path);
    if (!about) fail("{}: no checkpoint.json", path);
    sum.add(fmt::format("{} {} {} {} {} {} {} {} {}", about->epoch.text(), about->step,
                        about->steps_per_epoch, about->seed, about->task, about->data_fingerprint,
                        about->model_fingerprint, about->started_from, about->config));
    sum.add(model_fingerprint(path));
    const Model model = Model::load(path, about->task, Use::logits);
    sum.add(to_json(model.config(), "").dump());
    for (const Parameter& parameter : model.parameters()) sum.add(parameter.tensor);
}

void read_head(const std::string& path, Sum& sum) {
    const TrainedHead trained = load_head(path);
    const HeadOrigin& origin = trained.origin;
    sum.add(trained.head.definition().text);
    sum.add(fmt::format("{} {} {} {} {} {} {} {} {} {} {} {}", origin.checkpoint, origin.epoch, origin.layers,
                        origin.features, origin.seed, origin.data_seed, origin.held_out, origin.share,
                        origin.learning_rate, origin.batch, origin.epochs, origin.other_checkpoint));
    for (const NamedTensor& named : trained.head.parameters()) sum.add(named.tensor);
    for (const NamedTensor& named : trained.head.buffers()) sum.add(named.tensor);
}

void read_logits(const std::string& path, Sum& sum) {
    const SpanLogits logits = read_span_logits(path);
    sum.add(fmt::format("{} {} {}", logits.features, logits.start, logits.end));
}

std::string answer(const std::string& kind, const std::string& path) {
    Sum sum;
    try {
        if (kind == "features") sum.add(read_features(path).fingerprint());
        if (kind == "store") read_store(path, sum);
        if (kind == "checkpoint") read_model(path, sum);
        if (kind == "head") read_head(path, sum);
        if (kind == "logits") read_logits(path, sum);
    } catch (const Error& error) {
        return std::string("refused ") + error.what();
    }
    return "ok " + sum.text();
}

}  // namespace
}  // namespace bv

int main() {
    return bv::run_alone([] {
        for (std::string kind, path; std::cin >> kind >> path;) {
            std::cout << bv::answer(kind, path) << std::endl;
        }
    });
}
