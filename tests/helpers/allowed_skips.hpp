#pragma once

#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace bv {

/// Fails every test that was skipped for a reason that the file of allowed ones (allowed_skips.txt) lacks.
class AllowedSkips final : public testing::EmptyTestEventListener {
  public:
    explicit AllowedSkips(const std::string& file) {
        std::ifstream lines(file);
        for (std::string line; std::getline(lines, line);) {
            if (!line.empty() && line[0] != '#') allowed_.emplace_back(line);
        }
    }

    void OnTestEnd(const testing::TestInfo& test) override {
        std::vector<std::string> unknown;
        for (int part = 0; part < test.result()->total_part_count(); ++part) {
            const auto& result = test.result()->GetTestPartResult(part);
            if (result.skipped() && !allows(result.message())) unknown.emplace_back(result.message());
        }
        for (const std::string& reason : unknown)
            ADD_FAILURE() << "skipped for a reason that tests/allowed_skips.txt does not name: " << reason;
    }

  private:
    bool allows(const std::string& reason) const {
        for (const std::regex& allowed : allowed_) {
            if (std::regex_search(reason, allowed, std::regex_constants::match_continuous)) return true;
        }
        return false;
    }

    std::vector<std::regex> allowed_;
};

}  // namespace bv
