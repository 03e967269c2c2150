#include "io/seal.hpp"

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

Json sealed() {
    Json object{{"epoch", "3/10"}, {"share", 0.1}, {"layers", {0, 2}}, {"name", "caf\u00e9"}};
    object[kSeal] = seal_of(object);
    return object;
}

TEST(Seal, ItOutlivesAnotherOrderAndLayout) {
    require_seal(JsonFile(Json::parse(sealed().dump(4)), "a.json"));
    nlohmann::ordered_json ordered;
    ordered[kSeal] = sealed()[kSeal];
    for (const char* key : {"share", "name", "layers", "epoch"}) ordered[key] = sealed()[key];
    require_seal(JsonFile(Json::parse(ordered.dump()), "a.json"));
    EXPECT_EQ(seal_of(ordered), sealed()[kSeal].get<std::string>());
}

TEST(Seal, AnyOtherKeyOrValueBreaksIt) {
    const auto broken = [](auto change) {
        Json object = sealed();
        change(object);
        BV_EXPECT_ERROR(require_seal(JsonFile(object, "a.json")), "a.json", "'seal'", "delete");
    };
    broken([](Json& object) { object["epoch"] = "1/10"; });
    broken([](Json& object) { object["share"] = 0.2; });
    broken([](Json& object) { object["more"] = nullptr; });
    broken([](Json& object) { object.erase("layers"); });
    broken([](Json& object) { object[kSeal] = 7; });
}

TEST(Seal, AnObjectWithoutOneIsTaken) {
    require_seal(JsonFile(Json{{"epoch", "1"}}, "a.json"));
}

}  // namespace
}  // namespace bv
