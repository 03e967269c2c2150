#include "bert/config.hpp"

#include <filesystem>
#include <functional>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class BertConfigFile : public testing::Test {
  protected:
    ~BertConfigFile() override { std::filesystem::remove_all(folder_); }

    std::string complaint_about(const std::function<void(nlohmann::json&)>& change) const {
        nlohmann::json json = to_json(BertConfig{}, "BertModel");
        change(json);
        return complaint_about_text(json.dump());
    }

    std::string complaint_about_text(const std::string& text) const {
        write_file(folder_ / "config.json", text);
        try {
            read_bert_config(folder_);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    }

    std::filesystem::path folder_ = testing::TempDir() + "bert_config_test";
};

TEST_F(BertConfigFile, ReadsBackWhatItWrites) {
    BertConfig config;
    config.hidden_size = 96;
    config.heads = 4;
    config.activation = Activation::gelu_new;
    config.head_dropout = 0.25;
    write_file(folder_ / "config.json", to_json(config, "BertModel").dump());
    const BertConfig found = read_bert_config(folder_);
    EXPECT_EQ(found.hidden_size, 96);
    EXPECT_EQ(found.heads, 4);
    EXPECT_EQ(found.activation, Activation::gelu_new);
    EXPECT_EQ(found.head_dropout, 0.25);
}

TEST_F(BertConfigFile, NamesWhatIsWrong) {
    const std::string file = (folder_ / "config.json").string();
    EXPECT_THAT(complaint_about([](auto& j) { j["model_type"] = "roberta"; }),
                AllOf(HasSubstr(file), HasSubstr("model_type"), HasSubstr("roberta")));
    EXPECT_THAT(complaint_about([](auto& j) { j["position_embedding_type"] = "relative_key"; }),
                HasSubstr("relative_key"));
    EXPECT_THAT(complaint_about([](auto& j) { j["hidden_act"] = "swish"; }), HasSubstr("swish"));
    EXPECT_THAT(complaint_about([](auto& j) { j.erase("hidden_size"); }),
                HasSubstr("'hidden_size' is missing"));
    EXPECT_THAT(complaint_about([](auto& j) { j["hidden_size"] = "wide"; }),
                HasSubstr("'hidden_size' is \"wide\"; expected a whole number"));
    EXPECT_THAT(complaint_about([](auto& j) { j["vocab_size"] = std::uint64_t{1} << 63U; }),
                AllOf(HasSubstr("vocab_size"), HasSubstr("1000000")));
    EXPECT_THAT(complaint_about([](auto& j) { j["num_hidden_layers"] = 2.5; }),
                HasSubstr("num_hidden_layers"));
    EXPECT_THAT(complaint_about([](auto& j) { j["layer_norm_eps"] = -1; }), HasSubstr("layer_norm_eps"));
    EXPECT_THAT(complaint_about([](auto& j) { j["num_attention_heads"] = 7; }), HasSubstr("7 heads"));
    EXPECT_THAT(complaint_about([](auto& j) { j["is_decoder"] = true; }), HasSubstr("decoder"));
    EXPECT_THAT(complaint_about_text("{\"hidden_size\": 3,\n oops"),
                AllOf(HasSubstr(file), HasSubstr("line 2")));
    EXPECT_EQ(complaint_about([](auto&) {}), "");
}

}  // namespace
}  // namespace bv
