#include "programs/shared/training_data.hpp"

#include <gmock/gmock.h>

#include "helpers/blank_features.hpp"
#include "helpers/captured_log.hpp"

namespace bv {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(WarnOfMissingClass, NamesTheClassThatNoQuestionHas) {
    Features features = blank_features({4, 4});
    const auto warning = [&] {
        const CapturedLog log;
        warn_of_missing_class(features, "train.h5");
        return log.text();
    };
    EXPECT_THAT(warning(), HasSubstr("train.h5: none of its 2 questions has an answer, so class 0"));
    features.questions[0].answers = {{"nothing", 0}};
    EXPECT_THAT(warning(), IsEmpty());
    features.questions[1].answers = {{"nothing", 0}};
    EXPECT_THAT(warning(), HasSubstr("train.h5: each of its 2 questions has an answer, so class 1"));
}

}  // namespace
}  // namespace bv
