#include "squad/text/tokenizer_json.hpp"

#include "core/error.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

void require_type(const JsonPlace& place, const char* type) {
    if (!place.value().is_object() || place.value().value("type", Json()) != type) {
        place.wrong(fmt::format("a {}; no other one is implemented", type));
    }
}

void read_model(const JsonPlace& model, TokenizerJson& result) {
    // Files of early versions of `tokenizers` have no type.
    if (model.has("type") || model.has("merges")) require_type(model, "WordPiece");
    const JsonPlace vocabulary = model.at("vocab");
    if (!vocabulary.value().is_object()) vocabulary.wrong("an object of pieces and ids");
    result.vocabulary.reserve(vocabulary.value().size());
    for (const auto& [piece, id] : vocabulary.value().items()) {
        result.vocabulary[piece] = JsonPlace(id, vocabulary.name() + "." + piece).id();
    }
    result.unknown = model.at("unk_token").text();
    if (model.has("continuing_subword_prefix")) {
        const JsonPlace prefix = model.at("continuing_subword_prefix");
        if (prefix.value() != "##") prefix.wrong("\"##\"; no other one is implemented");
    }
    if (model.has("max_input_chars_per_word")) {
        result.longest_word = static_cast<std::size_t>(model.at("max_input_chars_per_word").id());
    }
}

void read_normalizer(const JsonPlace& normalizer, BasicTokenizer& basic) {
    require_type(normalizer, "BertNormalizer");
    if (!normalizer.flag("clean_text").value_or(true)) {
        normalizer.at("clean_text").wrong("true; nothing else is implemented");
    }
    basic.lower_case = normalizer.flag("lowercase").value_or(true);
    basic.strip_accents = normalizer.flag("strip_accents").value_or(basic.lower_case);
    basic.split_ideographs = normalizer.flag("handle_chinese_chars").value_or(true);
}

}  // namespace

AddedToken added_token(const JsonPlace& place) {
    AddedToken token;
    if (place.value().is_string()) {
        token.content = place.text();
        token.special = true;
        return token;
    }
    if (!place.value().is_object()) place.wrong("a token: a text, or an object with its content");
    token.content = place.at("content").text();
    token.single_word = place.flag("single_word").value_or(false);
    token.lstrip = place.flag("lstrip").value_or(false);
    token.rstrip = place.flag("rstrip").value_or(false);
    token.special = place.flag("special").value_or(false);
    token.normalized = place.flag("normalized");
    return token;
}

TokenizerJson read_tokenizer_json(const JsonPlace& file) {
    TokenizerJson result;
    read_model(file.at("model"), result);
    read_normalizer(file.at("normalizer"), result.basic);
    require_type(file.at("pre_tokenizer"), "BertPreTokenizer");
    if (file.has("added_tokens")) {
        const JsonPlace added = file.at("added_tokens");
        if (!added.value().is_array()) added.wrong("a list of added tokens");
        for (std::size_t i = 0; i < added.value().size(); ++i) {
            const JsonPlace place = added.at(i);
            result.added.push_back({added_token(place), place.at("id").id(), place.name()});
        }
    }
    return result;
}

std::pair<PromisedToken, PromisedToken> read_ends(const JsonPlace& file) {
    const JsonPlace processor = file.at("post_processor");
    const auto wrong = [&] {
        processor.wrong("one that turns a pair of texts A and B into [CLS] A [SEP] B [SEP]");
    };
    const Json& value = processor.value();
    const Json type = value.is_object() ? value.value("type", Json()) : Json();
    const auto token = [&](const std::string& content, const Json& id) -> PromisedToken {
        AddedToken special;
        special.content = content;
        special.special = true;
        return {special, JsonPlace(id, processor.name() + "." + content).id(),
                processor.name() + "." + content};
    };
    try {
        if (type == "BertProcessing") {
            return {token(value.at("cls").at(0), value.at("cls").at(1)),
                    token(value.at("sep").at(0), value.at("sep").at(1))};
        }
        if (type != "TemplateProcessing") wrong();
        const std::string cls = value.at("pair").at(0).at("SpecialToken").at("id");
        const std::string sep = value.at("pair").at(2).at("SpecialToken").at("id");
        const auto part = [](const char* kind, const std::string& id, int segment) {
            return Json{{kind, {{"id", id}, {"type_id", segment}}}};
        };
        const Json pair = {part("SpecialToken", cls, 0), part("Sequence", "A", 0),
                           part("SpecialToken", sep, 0), part("Sequence", "B", 1),
                           part("SpecialToken", sep, 1)};
        const auto ids_of = [&](const std::string& name) {
            return value.at("special_tokens").at(name).at("ids");
        };
        if (value.at("pair") != pair || ids_of(cls).size() != 1 || ids_of(sep).size() != 1) wrong();
        return {token(cls, ids_of(cls).at(0)), token(sep, ids_of(sep).at(0))};
    } catch (const Json::exception&) {
        wrong();
        throw;
    }
}

}  // namespace bv
