#include "comm/run_alone.hpp"
#include "programs/prepare/command.hpp"
#include "programs/shared/version.hpp"

int main(int argc, char** argv) {
    if (const auto code = bv::answer_version(argc, argv)) return *code;
    return bv::run_alone([&] {
        bv::CommandLine line(
            "bv_prepare",
            "Turns a SQuAD file into features: questions and windows of their contexts as BERT wordpieces, "
            "with offsets, labels and gold answers. The other programs do not need the JSON file. bv_prepare "
            "takes little time, so the stop signal (SIGUSR1) does not end it early.",
            "Examples:\n"
            "  bv_prepare --squad train-v2.0.json --model bert-large-uncased --output run/features/train.h5 "
            "\\\n"
            "             --hold-out 0.02 --hold-out-output run/features/held-out.h5\n"
            "  bv_prepare --squad dev-v2.0.json --model bert-large-uncased --output run/features/dev.h5 "
            "--unfound keep\n"
            "  bv_prepare ... --stride-means overlap --label-rule offsets     as in run_qa of "
            "Transformers\n");
        bv::PrepareOptions options;
        options.declare(line);
        line.parse(argc, argv);
        bv::prepare(options, line);
    });
}
