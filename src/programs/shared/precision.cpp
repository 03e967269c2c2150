#include "programs/shared/precision.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "bert/attention/attention.hpp"
#include "bert/linear.hpp"
#include "core/log.hpp"
#include "core/stopwatch.hpp"
#include "optim/checkpoint.hpp"

#ifdef BV_CUDA
#include <cuda_runtime_api.h>
#endif

namespace bv {
namespace {

/// Whether this rank's device has instructions for products in bfloat16. They need not be faster.
bool has_bfloat16(at::Device device) {
#ifdef BV_CUDA
    if (device.is_cuda()) {
        int major = 0;
        return cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device.index()) ==
                   cudaSuccess &&
               major >= 8;
    }
#endif
    return device.is_cpu() && __builtin_cpu_supports("avx512bf16") > 0;
}

/// The matrix products of a feed-forward layer. They are two thirds of the products of an encoder layer.
class Products {
  public:
    Products(const BertConfig& config, at::ScalarType type)
        : x_(values({kTokens, config.hidden_size}, type)),
          up_(values({config.intermediate_size, config.hidden_size}, type)),
          up_bias_(values({config.intermediate_size}, type)),
          down_(values({config.hidden_size, config.intermediate_size}, type)),
          down_bias_(values({config.hidden_size}, type)) {}

    static double operations(const BertConfig& config) {
        return 4.0 * static_cast<double>(kTokens * config.hidden_size * config.intermediate_size);
    }

    /// Computes the products once. Keeps the shortest time of all calls.
    void run() {
        const Stopwatch clock;
        linear(linear(x_, up_, up_bias_), down_, down_bias_);
        least_ = std::min(least_, clock.seconds());
    }

    double seconds() const { return least_; }

  private:
    static constexpr std::int64_t kTokens = 256;

    static at::Tensor values(at::IntArrayRef shape, at::ScalarType type) {
        return at::full(shape, 0.01, type);
    }

    at::Tensor x_, up_, up_bias_, down_, down_bias_;
    double least_ = std::numeric_limits<double>::infinity();
};

/// "302 GFLOP/s".
std::string rate_text(double rate, const Communicator& ranks) {
    return fmt::format("{:.0f} GFLOP/s{}", rate * 1e-9, ranks.size() == 1 ? "" : " a rank");
}

at::ScalarType precision_named(const std::string& name) {
    if (name == "float32") return at::kFloat;
    if (name == "bfloat16") return at::kBFloat16;
    fail("'{}' is not a precision of matrix products; expected float32 or bfloat16", name);
}

/// The precision in which the checkpoint in `folder` was fine-tuned. Empty when that is not recorded.
std::string precision_of_tuning(const std::filesystem::path& folder) {
    if (folder.empty()) return "";
    const auto known = read_checkpoint(folder);
    return known ? known->precision : "";
}

/// Collective: returns the precision that auto takes if no earlier work decides it, and the reason.
std::pair<at::ScalarType, std::string> choose_by_device(const Compute& compute, bool all_have,
                                                        const BertConfig& config, const Communicator& ranks) {
    if (!all_have) {
        return {at::kFloat, fmt::format("not every rank's {} has bfloat16 products",
                                        compute.device.is_cuda() ? "GPU" : "processor")};
    }
    if (compute.device.is_cuda()) return {at::kBFloat16, "every rank's GPU has bfloat16 products"};
    const ProductRates rates = measure_products(config, ranks);
    const bool wide = rates.better() == at::kFloat;
    return {rates.better(), fmt::format("{}; {} {}", rate_text(wide ? rates.float32 : rates.bfloat16, ranks),
                                        wide ? "bfloat16" : "float32",
                                        rate_text(wide ? rates.bfloat16 : rates.float32, ranks))};
}

}  // namespace

ProductRates measure_products(const BertConfig& config, const Communicator& ranks) {
    const c10::NoGradGuard no_graph;
    constexpr double kAtLeast = 0.08;  // seconds
    Products wide(config, at::kFloat);
    Products narrow(config, at::kBFloat16);
    // The first calls are slower, so they do not count. All ranks measure together, because the ranks of a
    // host share caches and clock rates.
    for (Products* products : {&wide, &narrow}) products->run();
    ranks.barrier();
    const Stopwatch clock;
    do {
        for (Products* products : {&wide, &narrow}) products->run();
    } while (clock.seconds() < kAtLeast);
    const double all = Products::operations(config) * ranks.size();
    return {all / ranks.sum(wide.seconds()), all / ranks.sum(narrow.seconds())};
}

void choose_precision(Compute& compute, const std::string& wanted, const EarlierWork& earlier,
                      const BertConfig& config, const Communicator& ranks) {
    const bool all_have = ranks.sum(std::int64_t{has_bfloat16(compute.device)}) == ranks.size();
    const std::string choice = ranks.broadcast(wanted);
    std::string named = choice;
    std::string why = "--precision";
    if (choice == "auto") {
        named = ranks.broadcast(earlier.unfinished);
        why = "as the earlier run recorded";
    }
    if (named.empty()) {
        ranks.root_only([&] { named = precision_of_tuning(earlier.checkpoint); });
        named = ranks.broadcast(named);
        why = "in which the checkpoint was fine-tuned";
        if (named == "bfloat16" && !all_have) named.clear();
    }
    if (named.empty()) {
        std::tie(compute.precision, why) = choose_by_device(compute, all_have, config, ranks);
    } else {
        ranks.agree([&] { compute.precision = precision_named(named); });
    }
    spdlog::info("precision: {} ({})", compute.precision_name(), why);
    if (compute.precision != at::kBFloat16 || !ranks.is_root()) return;
    if (!all_have) {
        spdlog::warn("not every rank's {} has bfloat16 products, so Torch computes them in a slower way",
                     compute.device.is_cuda() ? "GPU" : "processor");
    }
    if (compute.device.is_cuda() &&
        !takes_flash_attention(compute.device, compute.precision, config.head_size())) {
        spdlog::info(
            "attention by plain operations: flash attention has no kernel for heads of size {} on this GPU",
            config.head_size());
    }
}

}  // namespace bv
