#pragma once

#include <functional>
#include <initializer_list>
#include <string>

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace bv {

/// Expects `action` to throw an Error whose message is one line that holds all of `parts`.
inline void expect_error(const std::function<void()>& action, std::initializer_list<std::string> parts) {
    try {
        action();
    } catch (const Error& error) {
        const std::string message = error.what();
        EXPECT_EQ(message.find('\n'), std::string::npos) << "more than one line: " << message;
        for (const std::string& part : parts) EXPECT_THAT(message, testing::HasSubstr(part));
        return;
    }
    ADD_FAILURE() << "no Error was thrown";
}

}  // namespace bv

/// Expects `statement` to throw an Error with the given parts in its message.
#define BV_EXPECT_ERROR(statement, ...)                                           \
    do {                                                                          \
        SCOPED_TRACE(#statement);                                                 \
        ::bv::expect_error([&] { static_cast<void>(statement); }, {__VA_ARGS__}); \
    } while (false)
