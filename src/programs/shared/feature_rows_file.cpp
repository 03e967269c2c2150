#include "programs/shared/feature_rows_file.hpp"

#include <functional>
#include <numeric>
#include <unordered_map>

#include <nlohmann/json.hpp>

namespace bv {
namespace {

std::string_view bytes_of(const std::vector<std::int64_t>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int64_t)};
}

}  // namespace

FeatureRowsFile::FeatureRowsFile(const std::filesystem::path& path, bool force, const Features& features,
                                 FeatureRows content, const Communicator& ranks)
    : ranks_(ranks) {
    std::vector<std::int64_t> starts{0};
    std::vector<std::int64_t> questions;
    nlohmann::json ids = nlohmann::json::array();
    std::unordered_map<std::int64_t, std::int64_t> place_of;  // of a question in `ids`
    for (const std::int64_t number : content.numbers) {
        first_row_[number] = starts.back();
        starts.push_back(starts.back() + content.rows_of[static_cast<std::size_t>(number)]);
        const std::int64_t question = features.question_of[static_cast<std::size_t>(number)];
        const auto [found, is_new] = place_of.try_emplace(question, std::ssize(ids));
        if (is_new) ids.push_back(features.questions[static_cast<std::size_t>(question)].id);
        questions.push_back(found->second);
    }
    content.metadata["question_ids"] = ids.dump();
    std::map<std::string, TensorShape> shapes{{"features", {DType::i64, {std::ssize(content.numbers)}}},
                                              {"starts", {DType::i64, {std::ssize(starts)}}},
                                              {"questions", {DType::i64, {std::ssize(questions)}}}};
    for (const RowsTensor& tensor : content.tensors) {
        std::vector<std::int64_t> shape{starts.back()};
        shape.insert(shape.end(), tensor.row.begin(), tensor.row.end());
        shapes[tensor.name] = {tensor.dtype, std::move(shape)};
        values_in_row_[tensor.name] =
            std::accumulate(tensor.row.begin(), tensor.row.end(), std::int64_t{1}, std::multiplies<>());
    }
    std::string aside;
    ranks.root_only([&] {
        lock_.emplace(OutputLock::of_file(path));
        require_absent(path, force);
        aside_.emplace(path);
        aside = aside_->path().string();
    });
    parts_.emplace(ranks.broadcast(aside), shapes, content.metadata);
    ranks.root_only([&] { parts_->create(); });
    ranks.agree([&] { parts_->open(); });
    ranks.root_only([&] {
        parts_->write("features", 0, bytes_of(content.numbers));
        parts_->write("starts", 0, bytes_of(starts));
        parts_->write("questions", 0, bytes_of(questions));
    });
}

void FeatureRowsFile::write(const std::string& name, std::int64_t number, std::string_view bytes) const {
    parts_->write(name, first_row_.at(number) * values_in_row_.at(name), bytes);
}

void FeatureRowsFile::finish() {
    ranks_.agree([&] { parts_->flush(); });
    ranks_.root_only([&] { aside_->take_place(); });
}

}  // namespace bv
