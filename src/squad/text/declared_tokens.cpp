#include "squad/text/declared_tokens.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "core/error.hpp"

namespace bv {
namespace {

constexpr const char* kExtra = "extra_special_tokens";
constexpr const char* kAdditional = "additional_special_tokens";  // the same key before transformers 5

/// The standard names of special tokens, in the order in which they are added, and BERT's token for each.
struct StandardToken {
    const char* name;
    const char* of_bert;
};
constexpr std::array<StandardToken, 7> kStandard{{{"bos_token", nullptr},
                                                  {"eos_token", nullptr},
                                                  {"unk_token", "[UNK]"},
                                                  {"sep_token", "[SEP]"},
                                                  {"pad_token", "[PAD]"},
                                                  {"cls_token", "[CLS]"},
                                                  {"mask_token", "[MASK]"}}};

void append_if_new(std::vector<AddedToken>& tokens, const AddedToken& token) {
    if (!holds(tokens, token.content)) tokens.push_back(token);
}

AddedToken special_token(const JsonPlace& place) {
    AddedToken token = added_token(place);
    token.special = true;
    return token;
}

/// The special tokens that the configuration names.
class SpecialTokens {
  public:
    explicit SpecialTokens(const TokenizerFiles& files) : files_(files) {
        for (const StandardToken& token : kStandard) {
            if (const auto place = place_of(token.name)) known_.push_back(special_token(*place));
        }
        read_extra();
        read_others(files.config());
        if (files.older_ones_count()) read_others(files.special_tokens());
    }

    /// The token with a standard name; no value if it is null, or if it is missing and has no default.
    std::optional<AddedToken> standard(const StandardToken& wanted, bool defaults) const {
        if (const auto place = place_of(wanted.name)) return special_token(*place);
        if (!defaults || wanted.of_bert == nullptr || file_of(wanted.name).value().contains(wanted.name))
            return {};
        AddedToken token;
        token.content = wanted.of_bert;
        token.special = true;
        return token;
    }

    /// Whether a token of added_tokens.json counts as special. The default names, and the list of additional
    /// tokens in special_tokens_map.json, do not count here.
    bool is_known(const std::string& content) const { return holds(known_, content); }

    const std::vector<AddedToken>& extra() const { return extra_; }
    /// The special tokens with other names, and their places in the files.
    const std::vector<std::pair<JsonPlace, AddedToken>>& others() const { return others_; }

  private:
    JsonPlace file_of(const char* name) const {
        const bool older = files_.older_ones_count() && files_.special_tokens().value().contains(name);
        return older ? files_.special_tokens() : files_.config();
    }
    std::optional<JsonPlace> place_of(const char* name) const { return file_of(name).find(name); }

    void read_extra() {
        auto place = files_.config().find(kExtra);
        bool listed = files_.config().value().contains(kExtra);
        if ((!place || place->value().empty()) && files_.config().value().contains(kAdditional)) {
            place = files_.config().find(kAdditional);
            listed = true;
        }
        if (place) append(*place, /*always_special=*/false);
        if (place && place->value().is_object()) listed = false;
        const auto more = files_.older_ones_count() ? files_.special_tokens().find(kExtra) : std::nullopt;
        if (more) append(*more, /*always_special=*/true);
        known_.insert(known_.end(), extra_.begin(), extra_.end());
        const auto additional =
            files_.older_ones_count() ? files_.special_tokens().find(kAdditional) : std::nullopt;
        if (additional && !more && !listed) append(*additional, /*always_special=*/true);
    }

    void append(const JsonPlace& place, bool always_special) {
        if (place.value().is_object()) {
            for (const auto& [name, token] : place.members())
                others_.emplace_back(token, special_token(token));
            return;
        }
        for (const JsonPlace& token : place.elements())
            append_if_new(extra_, always_special ? special_token(token) : added_token(token));
    }

    void read_others(const JsonPlace& file) {
        for (const auto& [name, place] : file.members()) {
            const auto is_it = [&](const StandardToken& token) { return token.name == name; };
            const bool token = place.value().is_string() || place.value().is_object();
            if (name.ends_with("_token") && token && std::ranges::none_of(kStandard, is_it))
                others_.emplace_back(place, special_token(place));
        }
    }

    const TokenizerFiles& files_;
    std::vector<AddedToken> known_;
    std::vector<AddedToken> extra_;
    std::vector<std::pair<JsonPlace, AddedToken>> others_;
};

std::int32_t id_in(const std::string& key, const JsonPlace& place) {
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0) {
        fail("{}: the key is no id; expected a whole number of at least 0", place.name());
    }
    return id;
}

/// Added tokens by the ids that files give them. A later file takes an id from an earlier one.
using Promises = std::map<std::int32_t, PromisedToken>;

Promises read_added_tokens_decoder(const JsonPlace& list) {
    Promises promises;
    for (const auto& [key, place] : list.members()) {
        if (!place.value().is_object()) place.wrong("an object with the token's content");
        const std::int32_t id = id_in(key, place);
        promises.insert_or_assign(id, PromisedToken{added_token(place), id, place.name()});
    }
    return promises;
}

Promises read_added_tokens(const JsonPlace& file, const SpecialTokens& special) {
    Promises promises;
    for (const auto& [content, place] : file.members()) {
        AddedToken token;
        token.content = content;
        token.special = special.is_known(token.content);
        token.normalized = !token.special;
        promises.insert_or_assign(id_at(place), PromisedToken{token, id_at(place), place.name()});
    }
    return promises;
}

/// The added tokens to which the files give ids, by id.
Promises read_promises(const TokenizerFiles& files, const SpecialTokens& special,
                       const std::vector<PromisedToken>& of_tokenizer) {
    if (!files.older_ones_count())
        return read_added_tokens_decoder(files.config().at("added_tokens_decoder"));
    Promises promises = read_added_tokens(files.added_tokens(), special);
    for (const PromisedToken& token : of_tokenizer) promises.insert_or_assign(token.id, token);
    return promises;
}

/// The special tokens that the files name. Stores in `result` those that BERT itself needs.
std::vector<AddedToken> read_named(const SpecialTokens& special, const Pieces& vocabulary, bool defaults,
                                   DeclaredTokens& result) {
    std::vector<AddedToken> named;
    for (const StandardToken& wanted : kStandard) {
        const auto token = special.standard(wanted, defaults);
        if (!token) continue;
        append_if_new(named, *token);
        const std::string name = wanted.name;
        if (name == "unk_token") result.unknown = token->content;
        if (name == "cls_token") result.cls = token->content;
        if (name == "sep_token") result.sep = token->content;
    }
    for (const auto& [place, token] : special.others()) {
        // Hugging Face gives ids to new tokens in the order of the keys in the file. That order is not known
        // here, so they are refused.
        if (!vocabulary.contains(token.content) && !holds(result.tokens, token.content)) {
            place.wrong("a token of the vocabulary, or an added token that has an id");
        }
        append_if_new(named, token);
    }
    return named;
}

}  // namespace

DeclaredTokens read_declared_tokens(const TokenizerFiles& files, const Pieces& vocabulary,
                                    const std::vector<PromisedToken>& of_tokenizer, bool defaults) {
    DeclaredTokens result;
    const SpecialTokens special(files);
    for (const auto& [id, promised] : read_promises(files, special, of_tokenizer)) {
        result.tokens.push_back(promised.token);
        result.promised.push_back(promised);
    }
    const std::vector<AddedToken> named = read_named(special, vocabulary, defaults, result);
    for (AddedToken& token : result.tokens) token.special = token.special || holds(named, token.content);
    for (const AddedToken& token : named) append_if_new(result.tokens, token);
    for (AddedToken token : special.extra()) {
        token.special = token.special || holds(named, token.content);
        append_if_new(result.tokens, token);
    }
    return result;
}

}  // namespace bv
