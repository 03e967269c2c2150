#include "squad/text/tokenizer_json.hpp"

#include <limits>

#include "core/error.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

/// The member `key` of the file, which must be of this type.
JsonPlace of_type(const JsonPlace& file, const char* key, const char* type) {
    const std::string expected = fmt::format("a {}; no other one is implemented", type);
    JsonPlace place = file.at(key, expected);
    if (!place.value().is_object() || place.value().value("type", Json()) != type) place.wrong(expected);
    return place;
}

void read_model(const JsonPlace& file, TokenizerJson& result) {
    const JsonPlace model = file.at("model");
    // Files of early versions of `tokenizers` have no type.
    if (model.has("type") || model.has("merges")) of_type(file, "model", "WordPiece");
    const auto vocabulary = model.at("vocab").members();
    result.vocabulary.reserve(vocabulary.size());
    for (const auto& [piece, id] : vocabulary) result.vocabulary[piece] = id_at(id);
    result.unknown = model.get<std::string>("unk_token");
    if (const auto prefix = model.find("continuing_subword_prefix"); prefix && prefix->value() != "##")
        prefix->wrong("\"##\"; no other one is implemented");
    if (const auto longest = model.find("max_input_chars_per_word"))
        result.longest_word = static_cast<std::size_t>(id_at(*longest));
}

void read_normalizer(const JsonPlace& normalizer, BasicTokenizer& basic) {
    if (!normalizer.get<bool>("clean_text", true))
        normalizer.at("clean_text").wrong("true; nothing else is implemented");
    basic.lower_case = normalizer.get<bool>("lowercase", true);
    basic.strip_accents = normalizer.get<bool>("strip_accents", basic.lower_case);
    basic.split_ideographs = normalizer.get<bool>("handle_chinese_chars", true);
}

}  // namespace

std::int32_t id_at(const JsonPlace& place) {
    return static_cast<std::int32_t>(place.whole(0, std::numeric_limits<std::int32_t>::max()));
}

AddedToken added_token(const JsonPlace& place) {
    AddedToken token;
    if (place.value().is_string()) {
        token.content = place.get<std::string>();
        token.special = true;
        return token;
    }
    if (!place.value().is_object()) place.wrong("a token: a string, or an object with its content");
    token.content = place.get<std::string>("content");
    token.single_word = place.get<bool>("single_word", false);
    token.lstrip = place.get<bool>("lstrip", false);
    token.rstrip = place.get<bool>("rstrip", false);
    token.special = place.get<bool>("special", false);
    if (place.has("normalized")) token.normalized = place.get<bool>("normalized");
    return token;
}

TokenizerJson read_tokenizer_json(const JsonPlace& file) {
    TokenizerJson result;
    read_model(file, result);
    read_normalizer(of_type(file, "normalizer", "BertNormalizer"), result.basic);
    of_type(file, "pre_tokenizer", "BertPreTokenizer");
    if (const auto added = file.find("added_tokens")) {
        for (const JsonPlace& place : added->elements())
            result.added.push_back({added_token(place), id_at(place.at("id")), place.name()});
    }
    return result;
}

std::pair<PromisedToken, PromisedToken> read_ends(const JsonPlace& file) {
    constexpr const char* kExpected = "one that turns a pair of texts A and B into [CLS] A [SEP] B [SEP]";
    const JsonPlace processor = file.at("post_processor", kExpected);
    const auto token = [](const JsonPlace& content, const JsonPlace& id) -> PromisedToken {
        AddedToken special;
        special.content = content.get<std::string>();
        special.special = true;
        return {special, id_at(id), id.name()};
    };
    const auto type = processor.get<std::string>("type", "");
    if (type == "BertProcessing") {
        const auto cls = processor.at("cls").elements();
        const auto sep = processor.at("sep").elements();
        if (cls.size() == 2 && sep.size() == 2) return {token(cls[0], cls[1]), token(sep[0], sep[1])};
    }
    const auto pair =
        type == "TemplateProcessing" ? processor.at("pair").elements() : std::vector<JsonPlace>();
    if (pair.size() == 5) {
        const JsonPlace cls = pair[0].at("SpecialToken").at("id");
        const JsonPlace sep = pair[2].at("SpecialToken").at("id");
        const auto part = [](const char* kind, const Json& id, int segment) {
            return Json{{kind, {{"id", id}, {"type_id", segment}}}};
        };
        const Json wanted = {part("SpecialToken", cls.value(), 0), part("Sequence", "A", 0),
                             part("SpecialToken", sep.value(), 0), part("Sequence", "B", 1),
                             part("SpecialToken", sep.value(), 1)};
        const auto ids_of = [&](const JsonPlace& name) {
            return processor.at("special_tokens").at(name.get<std::string>()).at("ids").elements();
        };
        if (processor.at("pair").value() == wanted && ids_of(cls).size() == 1 && ids_of(sep).size() == 1)
            return {token(cls, ids_of(cls).front()), token(sep, ids_of(sep).front())};
    }
    processor.wrong(kExpected);
}

}  // namespace bv
