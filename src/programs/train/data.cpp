#include "programs/train/data.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_set>

#include "comm/sharding.hpp"
#include "core/error.hpp"
#include "io/files.hpp"
#include "programs/shared/described_features.hpp"
#include "programs/shared/training_data.hpp"
#include "programs/train/command.hpp"
#include "states/layers.hpp"
#include "states/part_source.hpp"
#include "states/reading_order.hpp"
#include "states/shuffled_labels.hpp"

namespace bv {
namespace {

void require_labels(const StateSource& source) {
    if (source.features().count() == 0) fail("{} holds no features", source.name());
    if (!source.features().labelled) fail("{}: its features have no labels", source.name());
}

/// Throws Error if `value` is empty: then the flag `missing` is missing, which `first` needs.
void require_flag(const std::filesystem::path& value, const char* missing, const char* first) {
    if (value.empty()) fail("{} is missing; {} needs it", missing, first);
}

/// Whether the states come from stores and not from a checkpoint. Throws Error when flags of both kinds are
/// given, or when one is missing.
bool takes_stores(const TrainOptions& options) {
    const bool stores =
        !options.store.empty() || !options.dev_store.empty() || !options.held_out_store.empty();
    const bool computed = !options.checkpoint.empty() || !options.features.empty() ||
                          !options.dev_features.empty() || !options.held_out_features.empty();
    if (stores == computed) {
        fail(
            "states come either from --store and --dev-store, or from --checkpoint, --features and "
            "--dev-features");
    }
    if (stores) {
        require_flag(options.store, "--store (states to train on)",
                     options.dev_store.empty() ? "--held-out-store" : "--dev-store");
        require_flag(options.dev_store, "--dev-store (states to score on)", "--store");
    } else {
        require_flag(options.checkpoint, "--checkpoint", "--features, --dev-features or --held-out-features");
        require_flag(options.features, "--features (to train on)", "--checkpoint");
        require_flag(options.dev_features, "--dev-features (to score on)", "--checkpoint");
    }
    if (options.held_out > 0 && options.holds_out_elsewhere()) {
        fail("--held-out and {} are given; held-out questions come from one of them",
             stores ? "--held-out-store" : "--held-out-features");
    }
    return stores;
}

}  // namespace

HeadData::HeadData(const TrainOptions& options, Task task, at::Device device) : seed_(options.data_seed) {
    const bool stores = takes_stores(options);
    const Layers layers = parse_layers(options.layers);
    if (stores) {
        train_ = open_store(options.store, options.cache_gib, layers, device);
        dev_ = open_store(options.dev_store, options.cache_gib, layers, device);
        if (!options.held_out_store.empty())
            held_out_ = open_store(options.held_out_store, options.cache_gib, layers, device);
    } else {
        train_ = open_checkpoint(options.checkpoint, options.features, task, device, layers);
        dev_ = open_checkpoint(options.checkpoint, options.dev_features, task, device, layers);
        if (!options.held_out_features.empty())
            held_out_ = open_checkpoint(options.checkpoint, options.held_out_features, task, device, layers);
    }
    for (const StateSource* source : opened()) require_labels(*source);
    if (held_out_) require_held_out();
    const auto questions = static_cast<std::int64_t>(train_->features().questions.size());
    place_of_.resize(static_cast<std::size_t>(questions));
    std::int64_t place = 0;
    for (const std::int64_t question : epoch_order(seed_, 0, questions)) {
        place_of_[static_cast<std::size_t>(question)] = place++;
    }
    if (options.held_out > 0) hold_out(options.held_out);
    if (options.shuffle_labels) shuffle_labels();
    for (const double share : options.shares) {
        if (count(share) > 0) continue;
        fail("--share {} of the {} questions of {} leaves none to train on", share, questions - held_,
             train_->name());
    }
}

void HeadData::warn_of_questions() const {
    if (train_->info().task == Task::classification)
        warn_of_missing_class(train_->features(), train_->name());
    warn_of_shared_questions(train_->features(), train_->name(), dev_->features(), dev_->name());
}

std::vector<StateSource*> HeadData::opened() const {
    std::vector<StateSource*> sources{train_.get(), dev_.get()};
    if (held_out_ && !held_out_is_part_) sources.push_back(held_out_.get());
    return sources;
}

void HeadData::multiply_in(at::ScalarType precision) {
    for (StateSource* source : opened()) source->multiply_in(precision);
}

/// Throws Error if a held-out question is one to train or to score on, or if the held-out features were made
/// with other settings than those to score on: the threshold that is best on the one would not suit the
/// other.
void HeadData::require_held_out() const {
    const auto settings = [](const StateSource& source) {
        return describe_features("", "", source.features().settings)["settings"];
    };
    require_same_settings(settings(*held_out_), "the features of " + held_out_->name(), settings(*dev_),
                          "the features of " + dev_->name());
    std::unordered_set<std::string_view> held;
    for (const Question& question : held_out_->features().questions) held.insert(question.id);
    for (const StateSource* source : {train_.get(), dev_.get()}) {
        for (const Question& question : source->features().questions) {
            if (!held.contains(question.id)) continue;
            fail(
                "{} and {} both have the question {}; held-out questions are neither trained on nor reported",
                held_out_->name(), source->name(), question.id);
        }
    }
}

void HeadData::hold_out(double share) {
    const std::size_t questions = place_of_.size();
    held_ = std::lround(share * static_cast<double>(questions));
    std::vector<bool> is_held_out(questions);
    for (std::size_t question = 0; question < questions; ++question) {
        is_held_out[question] = place_of_[question] < held_;
    }
    held_out_ = part_of(*train_, is_held_out);
    held_out_is_part_ = true;
    const std::int64_t held = held_out_->features().count();
    if (held == 0 || held == train_->features().count()) {
        fail("--held-out {} of the {} questions of {} leaves none to {}", share, questions, train_->name(),
             held == 0 ? "score on" : "train on");
    }
}

/// Shuffles the labels of all questions that are not held out, whatever the share: so a share's labels are a
/// sample of the whole.
void HeadData::shuffle_labels() {
    std::vector<bool> trained_on(place_of_.size());
    for (std::size_t question = 0; question < place_of_.size(); ++question) {
        trained_on[question] = place_of_[question] >= held_;
    }
    shuffled_ = with_labels(*train_, shuffled_labels(train_->features(), trained_on, seed_));
}

bool HeadData::is_trained_on(std::int64_t feature, double share) const {
    const auto left = static_cast<std::int64_t>(place_of_.size()) - held_;
    const std::int64_t question = train_->features().question_of[static_cast<std::size_t>(feature)];
    const std::int64_t place = place_of_[static_cast<std::size_t>(question)] - held_;
    return place >= 0 && place < std::lround(share * static_cast<double>(left));
}

std::int64_t HeadData::count(double share) const {
    std::int64_t count = 0;
    for (std::int64_t f = 0; f < train_->features().count(); ++f) count += is_trained_on(f, share) ? 1 : 0;
    return count;
}

std::vector<std::vector<std::int64_t>> HeadData::windows(std::int64_t epoch, double share) const {
    auto windows = reading_windows(train_->layout(), seed_, epoch);
    for (auto& window : windows) {
        std::erase_if(window, [&](std::int64_t f) { return !is_trained_on(f, share); });
    }
    return windows;
}

std::string HeadData::order_fingerprint() const {
    std::string bytes;
    const auto add = [&](const std::vector<std::int64_t>& numbers) {
        bytes.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof numbers[0]);
    };
    add(train_->layout().original);
    add(train_->layout().block_starts);
    return fingerprint(bytes + fmt::format(" {}", seed_));
}

}  // namespace bv
