#include "states/compatibility.hpp"

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"
#include "helpers/small_model.hpp"

namespace bv {
namespace {

/// No features, as bv_prepare would make them with `tokenizer`.
Features features_of(const Tokenizer& tokenizer) {
    Features features;
    features.settings.vocabulary = tokenizer.vocabulary();
    features.settings.tokenizer = tokenizer.fingerprint();
    features.settings.lower_case = tokenizer.basic().lower_case;
    return features;
}

TEST(RequireFit, features_fit_folders_that_cut_texts_alike) {
    const SmallModel uncased({"a"});
    const SmallModel other_file({"a "}, R"({"do_lower_case": true, "tokenizer_class": "BertTokenizer"})");
    const Features features = features_of(uncased.tokenizer());
    EXPECT_NO_THROW(require_fit(features, "features.h5", uncased.path(), {}));
    EXPECT_NO_THROW(require_fit(features, "features.h5", other_file.path(), {}));
}

TEST(RequireFit, the_error_says_what_differs) {
    const Features features = features_of(SmallModel({"a"}).tokenizer());
    const SmallModel other({"b"});
    BV_EXPECT_ERROR(require_fit(features, "features.h5", other.path(), {}), "features.h5", "has vocabulary",
                    "vocab.txt");
    const SmallModel cased({"a"}, R"({"do_lower_case": false})");
    BV_EXPECT_ERROR(require_fit(features, "features.h5", cased.path(), {}), "features.h5",
                    "with lower-casing", cased.path().string());
    const SmallModel special({"a"}, R"({"additional_special_tokens": ["a"]})");
    BV_EXPECT_ERROR(require_fit(features, "features.h5", special.path(), {}), "features.h5", "added tokens");
}

}  // namespace
}  // namespace bv
