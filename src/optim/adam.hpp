#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/words.hpp"
#include "optim/flat_parameters.hpp"

namespace bv {

/// Adam (Kingma and Ba 2015) adds weight decay to the gradient. AdamW (Loshchilov and Hutter 2019)
/// subtracts it from the weights.
enum class AdamKind { adam, adamw };

/// The place of epsilon in the update m^ / (sqrt(v^) + epsilon). torch adds epsilon after the bias correction
/// of v, Keras before it.
enum class EpsilonKind { keras, torch };

template <>
struct Words<AdamKind> {
    static constexpr std::string_view kKind = "optimizer";
    static constexpr std::array<std::string_view, 2> kWords{"adam", "adamw"};
};

template <>
struct Words<EpsilonKind> {
    static constexpr std::string_view kKind = "place of epsilon";
    static constexpr std::array<std::string_view, 2> kWords{"keras", "torch"};
};

struct AdamOptions {
    AdamKind kind = AdamKind::adamw;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    EpsilonKind epsilon_kind = EpsilonKind::torch;
    double weight_decay = 0.0;  ///< applies to the segments with `decay`
};

/// Adam over flat parameters, on their device. All rows with the same learning rate take one fused call for
/// each segment.
class Adam {
  public:
    /// `parameters` must outlive this object.
    Adam(FlatParameters& parameters, const AdamOptions& options);

    /// Updates the values from the gradients once. `rates` (rows) holds one learning rate for each row.
    void step(const std::vector<double>& rates);

    /// Updates done so far.
    std::int64_t steps() const { return steps_; }

    /// (rows * elements) Running means of the gradients and of their squares, laid out as the parameters.
    const at::Tensor& first_moments() const { return first_moments_; }
    const at::Tensor& second_moments() const { return second_moments_; }

    /// Continues after `steps` updates.
    void set_steps(std::int64_t steps);

    /// Continues from saved moments (elements) of row `row`. The values are copied.
    void restore(std::int64_t row, const at::Tensor& first_moments, const at::Tensor& second_moments);

  private:
    FlatParameters& parameters_;
    AdamOptions options_;
    std::int64_t steps_ = 0;
    at::Tensor first_moments_;
    at::Tensor second_moments_;
    at::Tensor steps_tensor_;  // as the fused kernels want it: a float32 scalar on the device
};

}  // namespace bv
