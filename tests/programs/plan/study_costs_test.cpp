#include "programs/plan/study_costs.hpp"

#include <gmock/gmock.h>

#include "bert/model.hpp"
#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

TEST(StudyCosts, CountParametersAsTheModelDoes) {
    BertConfig small;
    small.hidden_size = 24;
    small.layers = 3;
    small.heads = 2;
    small.intermediate_size = 40;
    small.vocabulary = 101;
    small.positions = 50;
    EXPECT_EQ(parameter_count(small), Model(small, Task::span, 0).parameter_count());
    EXPECT_EQ(parameter_count(bert_large()), 335143938);  // the reference's count
}

Study some_study() {
    Study study;
    study.tasks = {Task::span, Task::classification};
    study.seeds = {1, 2};
    study.checkpoints = parse_checkpoints("0,1/2,3");
    study.states_at = parse_checkpoints("1/2,3");
    study.dtype = "float16";
    study.layers = std::nullopt;
    return study;
}

TEST(StudyCosts, AreTheBytesOfRaggedStatesAndTheTimesOfTheRates) {
    const StudyData data{1000, 171000, 100, 16000};
    const StudyRates rates{.tuned_tokens = 1000,
                           .encoded_tokens = 4000,
                           .written_bytes = 1e9,
                           .read_bytes = 5e8,
                           .cached_bytes = 1e8};
    const auto costs = study_costs(some_study(), bert_large(), data, rates);
    ASSERT_EQ(costs.size(), 2u);
    const TaskCosts& span = costs[0];
    EXPECT_EQ(span.train_store, 25 * 171000LL * 1024 * 2);
    EXPECT_EQ(span.dev_store, 25 * 16000LL * 1024 * 2);
    EXPECT_EQ(span.checkpoint, 4 * 335143938LL);
    EXPECT_EQ(span.checkpoints, 6);
    EXPECT_EQ(span.stores, 4);
    EXPECT_DOUBLE_EQ(span.tuning, 3 * 171.0);
    EXPECT_DOUBLE_EQ(span.extraction, 187000.0 / 4000);
    EXPECT_FALSE(span.disk_bound);
    EXPECT_DOUBLE_EQ(span.heads_stored, static_cast<double>(span.train_store + span.dev_store) / 5e8);
    EXPECT_DOUBLE_EQ(span.heads_recomputed, 187000.0 / 4000);  // one pass
    const TaskCosts& classification = costs[1];
    EXPECT_EQ(classification.train_store, 26 * 1000LL * 1024 * 2);
    // Ten passes over what fits into memory read it once.
    EXPECT_DOUBLE_EQ(classification.heads_stored,
                     static_cast<double>(classification.train_store + classification.dev_store) / 5e8);
    EXPECT_DOUBLE_EQ(classification.heads_recomputed, 10 * 187000.0 / 4000);
}

TEST(StudyCosts, CountTheScalesOfFloat8) {
    Study study = some_study();
    study.dtype = "float8";
    const auto costs = study_costs(study, bert_large(), {1000, 171000, 100, 16000}, {});
    EXPECT_EQ(costs[0].train_store, 25 * 171000LL * (1024 + 4));
    EXPECT_EQ(costs[1].train_store, 26 * 1000LL * (1024 + 4));
}

TEST(StudyCosts, ExperimentsReadTheirPartOfTheStatesOnceMore) {
    const StudyData data{1000, 171000, 100, 16000};
    const StudyRates rates{.encoded_tokens = 4000, .read_bytes = 5e8};
    Study study = some_study();
    study.shares = {0.1, 0.5};
    study.layer_subsets = {{0, 6, 12, 18, 24}};
    study.shuffled_labels = true;
    const TaskCosts span = study_costs(study, bert_large(), data, rates)[0];
    const double train = 1 + 0.1 + 0.5 + 5.0 / 25 + 1;
    const double dev = 1 + 1 + 1 + 5.0 / 25 + 1;
    EXPECT_NEAR(
        span.heads_stored,
        (train * static_cast<double>(span.train_store) + dev * static_cast<double>(span.dev_store)) / 5e8,
        1e-6 * span.heads_stored);
    EXPECT_NEAR(span.heads_recomputed, (1 + 0.1 + 0.5 + 1 + 1) * 187000.0 / 4000, 1e-9);
}

TEST(StudyCosts, SpaceIsThatOfOnePairOfStoresWhereNoneAreKept) {
    const StudyData data{1000, 171000, 100, 16000};
    Study study = some_study();
    const auto costs = study_costs(study, bert_large(), data, {});
    const std::int64_t pair = costs[0].train_store + costs[0].dev_store;
    const std::int64_t small = costs[1].train_store + costs[1].dev_store;
    const std::int64_t checkpoints =
        12 * costs[0].checkpoint + 6 * (costs[0].evaluation_files + costs[1].evaluation_files);
    EXPECT_EQ(study_space(study, costs).kept, checkpoints + 4 * (pair + small));
    study.keep_stores = false;
    EXPECT_EQ(study_space(study, costs).kept, checkpoints);
    EXPECT_EQ(study_space(study, costs).most, checkpoints + std::max(pair, costs[0].resume));
}

TEST(StudyCosts, HeldOutQuestionsHaveAStoreAndAreEvaluatedToo) {
    const StudyData data{1000, 171000, 100, 16000, 20, 3000};
    const StudyRates rates{.encoded_tokens = 4000, .read_bytes = 5e8};
    Study study = some_study();
    study.keep_stores = false;
    const auto costs = study_costs(study, bert_large(), data, rates);
    EXPECT_EQ(costs[0].held_store, 25 * 3000LL * 1024 * 2);
    EXPECT_EQ(costs[1].held_store, 26 * 20LL * 1024 * 2);
    EXPECT_EQ(costs[0].all_stores(), costs[0].train_store + costs[0].dev_store + costs[0].held_store);
    EXPECT_DOUBLE_EQ(costs[0].evaluation, (16000 + 2 * 3000) / 4000.0);
    EXPECT_DOUBLE_EQ(costs[1].evaluation, (16000 + 3000) / 4000.0);
    EXPECT_DOUBLE_EQ(costs[0].extraction, 190000.0 / 4000);
    EXPECT_DOUBLE_EQ(costs[0].heads_stored, static_cast<double>(costs[0].all_stores()) / 5e8);
    EXPECT_EQ(study_space(study, costs).most,
              study_space(study, costs).kept + std::max(costs[0].all_stores(), costs[0].resume));
}

TEST(StudyCosts, CountTheFilesOfEvaluationsAndOfAllHeads) {
    Study study = some_study();
    study.tasks = {Task::span};
    study.span_heads = {"learned_pooling", "span_probe"};
    study.learning_rates = {1e-3, 1e-4};
    const StudyData data{1000, 171000, 100, 16000};
    const auto found = [&] { return study_costs(study, bert_large(), data, {}).front(); };
    constexpr std::int64_t kLogits = 8 * 16000;
    const std::int64_t of_head = kLogits + 110 * 100;
    EXPECT_EQ(found().evaluation_files, kLogits + 4900 * 100);
    EXPECT_EQ(found().heads, 2 * (1 + 25));
    const std::int64_t pooling = 4 * (25 + 1 + 2 * 1024 + 2);
    const std::int64_t probe = 4 * (2 * 1024 + 2);
    EXPECT_EQ(found().head_files, 2 * (pooling + of_head + 25 * (probe + of_head)));
    study.layer_atlas = true;  // the probe is there already
    EXPECT_EQ(found().heads, 2 * (1 + 25));
    study.shares = {0.1};
    study.shuffled_labels = true;
    study.layer_subsets = {{1, 2}};
    EXPECT_EQ(found().heads, 2 * (4 + 3 * 25));
    study.span_heads = {"learned_pooling"};  // the atlas brings the probe, not for each share
    EXPECT_EQ(found().heads, 2 * (4 + 2 * 25));
}

class StudyTest : public testing::Test {
  protected:
    std::filesystem::path study(const std::string& text) {
        write_file(folder_ / "study.toml", text);
        return folder_ / "study.toml";
    }

    /// The path of a head of the user's own.
    std::string own_head(const std::string& name) {
        write_file(folder_ / name, "task = \"span\"\nblocks = [{ type = \"linear\", width = 2 }]\n");
        return (folder_ / name).string();
    }

    TemporaryFolder folder_;
};

TEST_F(StudyTest, ReadsWhatTheProgramsWouldAndTheirDefaults) {
    const Study found = read_study(
        study("[study]\nseeds = [3, 4]\ntasks = [\"span\"]\nstates_at = [\"0.3\"]\nkeep_stores = false\n"
              "[finetune]\ncheckpoints = \"0.3,1\"\nbatch = 32\n[extract]\nlayers = \"0,12\"\ndtype = "
              "\"bfloat16\"\n"));
    EXPECT_EQ(found.seeds, (std::vector<std::uint64_t>{3, 4}));
    EXPECT_EQ(found.tasks, (std::vector<Task>{Task::span}));
    EXPECT_EQ(found.states_at, (std::vector<EpochFraction>{EpochFraction(3, 10)}));
    EXPECT_FALSE(found.keep_stores);
    EXPECT_EQ(found.checkpoints.size(), 2u);
    EXPECT_EQ(found.batch, 32);
    EXPECT_EQ(layers_text(found.layers), "0,12");
    EXPECT_EQ(found.dtype, "bfloat16");
    EXPECT_EQ(found.head_epochs(Task::span), 1);
    EXPECT_EQ(found.head_epochs(Task::classification), 10);
    EXPECT_EQ(read_study(study("")).batch, 4);  // the reference's
}

TEST_F(StudyTest, NamesWhatIsWrong) {
    BV_EXPECT_ERROR(read_study(study("[study]\nkeep_store = true\n")), "study.toml:2", "keep_stores");
    BV_EXPECT_ERROR(read_study(study("[study]\ntasks = [\"spam\"]\n")), "study.toml", "spam",
                    "span, classification");
    BV_EXPECT_ERROR(read_study(study("[study]\nstates_at = [\"0.25\"]\n")), "1/4", "checkpoint");
    BV_EXPECT_ERROR(read_study(study("[finetune]\nbatches = 4\n")), "study.toml:2", "batch");
    BV_EXPECT_ERROR(read_study(study("[study]\nseeds = [1,\n -1]\n")), "study.toml:3", "seeds", "-1");
    BV_EXPECT_ERROR(read_study(study("[study]\nseeds = [1.5]\n")), "study.toml:2", "whole numbers");
    BV_EXPECT_ERROR(read_study(study("[study]\nseeds = [true]\n")), "study.toml:2", "whole numbers");
    for (const char* share : {"nan", "inf", "-0.1", "0", "1.5", "1e400"}) {
        BV_EXPECT_ERROR(read_study(study(fmt::format("[study]\nshares = [{}]\n", share))), "study.toml:2");
    }
    BV_EXPECT_ERROR(read_study(study("[study]\nlayer_subsets = [\"0,x\"]\n")), "study.toml:2", "'x'");
}

TEST_F(StudyTest, NamesTheLineAndTheKeyOfAWrongType) {
    const auto refuses = [&](const char* line, const char* wanted, const char* found) {
        SCOPED_TRACE(line);
        BV_EXPECT_ERROR(read_study(study(fmt::format("# a study\n[study]\n\n{}\n", line))),
                        "study.toml:4: [study] ", wanted, found);
    };
    refuses("keep_stores = \"yes\"", "keep_stores must be true or false", "found: string");
    refuses("shuffled_labels = \"all\"", "shuffled_labels must be true or false", "found: string");
    refuses("layer_atlas = 1", "layer_atlas must be true or false", "found: integer");
    refuses("seed = \"1\"", "seed must be a whole number", "found: string");
    refuses("corpus_train = 1.5", "corpus_train must be a whole number", "found: floating-point");
    refuses("hold_out = \"0.02\"", "hold_out must be a number", "found: string");
    refuses("span_heads = [1]", "span_heads must be a list of strings", "found: integer");
    refuses("states_at = [0.3]", "states_at must be a list of strings", "found: floating-point");
    refuses("tasks = { span = true }", "tasks must be a list of strings", "found: table");
}

TEST_F(StudyTest, NamesTheLineAndTheKeyOfAWrongExperiment) {
    const std::string study_of_two =
        "[study]\nstates_at = [\"0.3\"]\nspan_heads = [\"learned_pooling\", \"{}\"]\n{}\n"
        "[finetune]\ncheckpoints = \"0.3,1\"\n";
    const auto refuses = [&](const char* line, const auto&... words) {
        SCOPED_TRACE(line);
        BV_EXPECT_ERROR(
            read_study(study(fmt::format(fmt::runtime(study_of_two), own_head("tiny.toml"), line))),
            "study.toml:4: [study] ", words...);
    };
    refuses("mixed = [\"0.3\"]", "mixed", "0.3:1");
    refuses("mixed = [\"1:0.3\"]", "states_at");
    refuses("mixed = [\"0.3:2\"]", "epoch 2", "keeps no checkpoint");
    refuses("span_ensembles = [\"learned_poling+BERT\"]", "'learned_poling'",
            "nearest one is 'learned_pooling'");
    BV_EXPECT_ERROR(read_study(study("[study]\nspan_heads = [\"span_probe\"]\nspan_ensembles = "
                                     "[\"span_probe+BERT\"]\n")),
                    "study.toml:3",
                    "'span_probe' is neither BERT nor a head of the study that reads all layers");
    refuses("span_ensembles = [\"tiny\"]", "'tiny' is one model");
    refuses("span_ensembles = [\"tiny+tiny\"]", "names tiny twice");
    refuses("classification_ensembles = [\"tiny+BERT\"]", "classification_ensembles", "'tiny'");
    refuses("hold_out = 1", "hold_out", "below 1");
    refuses("corpus_dev = 0", "corpus_dev", "1 or more");
    refuses("classification_heads = [\"a,b\"]", "classification_heads", "comma");
    refuses("classification_heads = [\"tenney_smal\"]", "classification_heads", "tenney_smal",
            "tenney_small");
    refuses("classification_heads = [\"learned_pooling\"]", "a head for span, not for classification");
    refuses("classification_heads = [\"absent.toml\"]", "absent.toml", "No such file");
    refuses("classification_heads = [\"tenney_small\", \"tenney_small\"]",
            "two heads have the name tenney_small");
    refuses("seeds = [1, 2, 1]", "seeds", "names 1 twice");
    refuses("shares = [0.5, 0.5]", "shares", "names 0.5 twice");
    refuses("mixed = [\"0.3:1\", \"0.30:1\"]", "mixed", "names 0.30:1 twice");
    refuses("tasks = [\"span\", \"span\"]", "tasks", "names span twice");
}

TEST_F(StudyTest, TwoHeadsHaveTwoNamesAndReadLayersThatAreStored) {
    const std::string copy = own_head("average_pooling.toml");
    BV_EXPECT_ERROR(
        read_study(study(fmt::format("[study]\nspan_heads = [\"average_pooling\", \"{}\"]\n", copy))),
        "study.toml:2", "two heads have the name average_pooling");
    BV_EXPECT_ERROR(read_study(study("[study]\nlayer_subsets = [\"3,0\", \"0,3\"]\n")), "study.toml:2",
                    "names 0,3 twice");
    BV_EXPECT_ERROR(read_study(study("[study]\nlayer_subsets = [\"all\"]\n")), "study.toml:2", "found 'all'");
    BV_EXPECT_ERROR(read_study(study("[study]\nlayer_subsets = [\"0,2\"]\n[extract]\nlayers = \"0,3\"\n")),
                    "study.toml:2", "found layer 2", "stores the layers 0,3");
}

TEST_F(StudyTest, ItsExperimentsAndNotItsTrainTableChooseStatesQuestionsAndLabels) {
    BV_EXPECT_ERROR(read_study(study("[train]\nlayers = \"0,1\"\n")), "study.toml: [train] layers",
                    "layer_subsets");
    BV_EXPECT_ERROR(read_study(study("[train]\nshare = 0.5\n")), "study.toml: [train] share",
                    "[study] shares");
    const std::string with_heads = "[study]\nstates_at = [\"1\"]\nspan_heads = [\"learned_pooling\"]\n";
    for (const std::string key : {"n_best", "max_answer_tokens", "null_threshold"}) {
        const std::string answers = "[eval]\n" + key + " = 3\n";
        BV_EXPECT_ERROR(read_study(study(with_heads + answers)), "[eval] " + key,
                        "bv_train scores heads without it");
        EXPECT_NO_THROW(read_study(study(answers)));  // no heads, so nothing is compared
    }
    BV_EXPECT_ERROR(read_study(study("[study]\nseeds = [4294967296]\n")), "study.toml:2", "4294967295");
    BV_EXPECT_ERROR(read_study(study("[train]\nshuffle_labels = true\n")), "[train] shuffle_labels",
                    "shuffled_labels");
    EXPECT_NO_THROW(read_study(study("[train]\nlayers = \"all\"\nshare = 1\n")));
}

TEST_F(StudyTest, ItsLayersMustBeThoseOfTheModel) {
    for (const char* line :
         {"[study]\nlayer_subsets = [\"0,24\", \"0,25\"]\n", "[extract]\nlayers = \"0,25\"\n"}) {
        const Study found = read_study(study(line));
        BV_EXPECT_ERROR(require_states(found, bert_large()), "0,25", "to 24");
        BertConfig deeper = bert_large();
        deeper.layers = 25;
        EXPECT_NO_THROW(require_states(found, deeper));
    }
}

TEST_F(StudyTest, GivesScriptsItsKeysAsAssignments) {
    const std::string text = shell_text(read_study(study(
        "[study]\nseeds = [3, 4]\nstates_at = [\"3/10\", \"1.0\"]\nspan_heads = [\"" + own_head("it's.toml") +
        "\"]\n"
        "keep_stores = false\nhold_out = 0.02\nshuffled_labels = true\nshares = [0.5, 1]\nmixed = "
        "[\"0.30:1\"]\nlayer_subsets = [\"3,0\"]\n"
        "[finetune]\ncheckpoints = \"1,1/3,0.3\"\n[extract]\nlayers = \"0,3\"\n[train]\nlearning_rate = "
        "[1e-3, "
        "0.0001]\n")));
    for (const char* line :
         {"study_tasks=('span' 'classification')", "study_seed='1'", "study_seeds=('3' '4')",
          "study_states_at=('0.3' '1')", "study_checkpoints=('0.3' '1_3' '1')",
          "study_learning_rates=('0.001' '0.0001')", "study_classification_heads=()", "study_keep_stores=''",
          "study_layer_atlas=''", "study_shuffled_labels='1'", "study_hold_out='0.02'",
          "study_shares=('0.5')", "study_mixed=('0.3:1')", "study_corpus_train='600'",
          "study_layer_subsets=('0,3')", "study_stored_layers='2'"}) {
        EXPECT_NE(text.find(fmt::format("{}\n", line)), std::string::npos) << line << "\n" << text;
    }
    EXPECT_THAT(text, testing::HasSubstr("/it'\\''s.toml')\n"));
}

}  // namespace
}  // namespace bv
