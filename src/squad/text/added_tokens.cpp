#include "squad/text/added_tokens.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.hpp"
#include "squad/text/characters.hpp"

namespace bv {
namespace {

bool same(const AddedToken& a, const AddedToken& b) {
    return a.content == b.content && a.single_word == b.single_word && a.lstrip == b.lstrip &&
           a.rstrip == b.rstrip && a.special == b.special && a.in_normalized_text() == b.in_normalized_text();
}

/// Whether [begin, end) of the text is part of a longer word.
bool is_within_word(std::u32string_view text, std::size_t begin, std::size_t end) {
    return (begin > 0 && as_bert::is_of_word(text[begin - 1])) ||
           (end < text.size() && as_bert::is_of_word(text[end]));
}

/// The number of spaces that stand directly before `end`, not counting those before `first`.
std::size_t spaces_before(std::u32string_view text, std::size_t end, std::size_t first) {
    std::size_t count = 0;
    while (end - count > first && as_bert::is_space(text[end - count - 1])) ++count;
    return count;
}

std::size_t spaces_from(std::u32string_view text, std::size_t begin) {
    std::size_t count = 0;
    while (begin + count < text.size() && as_bert::is_space(text[begin + count])) ++count;
    return count;
}

}  // namespace

bool holds(const std::vector<AddedToken>& tokens, const std::string& content) {
    return std::any_of(tokens.begin(), tokens.end(),
                       [&](const auto& token) { return token.content == content; });
}

std::optional<std::int32_t> AddedTokens::id_of(const std::string& content) const {
    const auto found = ids_.find(content);
    if (found == ids_.end()) return std::nullopt;
    return found->second;
}

void AddedTokens::add(const std::vector<AddedToken>& tokens, const Pieces& vocabulary) {
    for (const AddedToken& token : tokens) {
        if (token.special && !token.content.empty() && !holds(special_, token.content))
            special_.push_back(token);
    }
    for (const AddedToken& token : tokens) {
        if (token.content.empty()) continue;
        std::int64_t id = static_cast<std::int64_t>(vocabulary.size());
        if (!tokens_.empty()) id = std::max<std::int64_t>(id, std::int64_t{tokens_.rbegin()->first} + 1);
        if (const auto piece = vocabulary.find(token.content); piece != vocabulary.end()) id = piece->second;
        if (const auto there = id_of(token.content)) id = *there;
        const auto place = tokens_.find(static_cast<std::int32_t>(id));
        if (place != tokens_.end() && same(place->second, token)) continue;
        ids_[token.content] = static_cast<std::int32_t>(id);
        tokens_[static_cast<std::int32_t>(id)] = token;
        if (!holds(special_, token.content)) others_.push_back(token);
    }
}

void AddedTokens::finish(const BasicTokenizer& basic, bool skip_special, const std::string& place) {
    const auto add_patterns = [&](const std::vector<AddedToken>& tokens) {
        for (const AddedToken& token : tokens) {
            const std::int32_t id = ids_.at(token.content);
            const std::u32string content = characters_of(token.content);
            if (!token.in_normalized_text()) {
                plain_.add({content, id, tokens_.at(id)});
                continue;
            }
            std::u32string text;
            for (const auto& character : basic.normalized(content)) text.push_back(character.value);
            if (text.empty()) {
                fail("{}: the added token \"{}\" is empty after normalization", place, token.content);
            }
            normalized_.add({text, id, tokens_.at(id)});
        }
    };
    add_patterns(special_);
    add_patterns(others_);
    plain_.skip_special = normalized_.skip_special = skip_special;
}

void AddedTokens::Patterns::add(Pattern pattern) {
    const auto place = std::find_if(all.begin(), all.end(), [&](const Pattern& other) {
        return other.text == pattern.text || other.text.size() < pattern.text.size();
    });
    if (place != all.end() && place->text == pattern.text)
        return;  // of equal patterns only the first can be found
    if (first.find(pattern.text.front()) == std::u32string::npos) first.push_back(pattern.text.front());
    all.insert(place, std::move(pattern));
}

std::vector<AddedTokens::Part> AddedTokens::Patterns::parts(std::u32string_view text) const {
    std::vector<Part> parts;
    std::size_t done = 0;
    for (std::size_t i = text.find_first_of(first); i < text.size(); i = text.find_first_of(first, i)) {
        const auto found = std::find_if(all.begin(), all.end(), [&](const Pattern& pattern) {
            return text.substr(i).starts_with(pattern.text);
        });
        if (found == all.end()) {
            ++i;
            continue;
        }
        const AddedToken& token = found->token;
        std::size_t begin = i;
        std::size_t end = i + found->text.size();
        i = end;  // the search goes on after the match, also if the match does not count
        if (skip_special && token.special) continue;
        if (token.single_word && is_within_word(text, begin, end)) continue;
        // If the token itself begins with a blank, the token before may have taken that blank.
        if (token.lstrip) begin = std::max(done, begin - spaces_before(text, begin, done));
        if (token.rstrip) end += spaces_from(text, end);
        if (done < begin) parts.push_back({std::nullopt, done, begin});
        parts.push_back({found->id, begin, end});
        done = end;
    }
    if (done < text.size()) parts.push_back({std::nullopt, done, text.size()});
    return parts;
}

std::string AddedTokens::description() const {
    std::vector<std::string> lines;
    const auto describe = [&](const Patterns& patterns, const char* where) {
        for (const Pattern& pattern : patterns.all) {
            const AddedToken& token = pattern.token;
            if (patterns.skip_special && token.special) continue;
            const std::string text = utf8_of(pattern.text);
            lines.push_back(fmt::format("{} {} {:d}{:d}{:d} {}:{}\n", where, pattern.id, token.single_word,
                                        token.lstrip, token.rstrip, text.size(), text));
        }
    };
    describe(plain_, "plain");
    describe(normalized_, "normalized");
    std::sort(lines.begin(), lines.end());
    std::string description;
    for (const std::string& line : lines) description += line;
    return description;
}

}  // namespace bv
