#include "bert/attention/kernel_avx512.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "bert/attention/panel_products.hpp"
#include "core/error.hpp"
#include "random/masked_lanes.hpp"

namespace bv {

#ifdef BV_AVX512
BV_AVX512_BEGIN
namespace {

using simd::kLanes;
using simd::kPerWord;
using simd::Left;
using simd::multiply;
using simd::Panel;
using simd::rounded_up;
using simd::stack;
using simd::turn;
using simd::Word;

constexpr std::int64_t kQueries =
    24;  // queries whose scores are held at a time; a multiple of kRows, and even

/// The values that both passes of one head need: lengths in elements and in words, and the mask of its
/// probabilities.
template <typename Element>
struct Head {
    explicit Head(const HeadRows<Element>& rows)
        : tokens(rows.tokens),
          size(rows.head_size),
          padded(rounded_up(tokens, kLanes)),
          size_words(size / kPerWord<Element>),
          token_words(rounded_up(tokens, kPerWord<Element>) / kPerWord<Element>),
          stride(3 * rows.hidden),
          scale(1.0F / std::sqrt(static_cast<float>(size))),
          mask(rows.mask) {}

    /// `values` of query q, keys k to k + 15, with the mask applied.
    __m512 masked(__m512 values, std::int64_t q, std::int64_t k) const {
        return simd::masked(values, mask, q * tokens + k);
    }

    std::int64_t tokens;
    std::int64_t size;
    std::int64_t padded;       ///< tokens, rounded up to whole registers
    std::int64_t size_words;   ///< words of a row of queries
    std::int64_t token_words;  ///< words of a row of probabilities
    std::int64_t stride;       ///< distance between rows of queries, in elements
    float scale;
    const KeepBits& mask;
};

/// Memory of one thread, which is kept between calls. `take` hands out its parts one after the other.
class Workspace {
  public:
    explicit Workspace(std::int64_t words) {
        static thread_local std::vector<Word> memory;
        const auto wanted = static_cast<std::size_t>(words + kLanes);
        if (memory.size() < wanted) memory.resize(wanted);
        const auto place = reinterpret_cast<std::uintptr_t>(memory.data()) / sizeof(Word);
        next_ = memory.data() +
                (kLanes - place % kLanes) % kLanes;  // so that each register lies in one cache line
        end_ = memory.data() + memory.size();
    }

    template <typename T = Word>
    Panel<T> take(std::int64_t rows, std::int64_t columns) {
        const Panel<T> panel{reinterpret_cast<T*>(next_), columns};
        next_ += rows * columns;
        BV_EXPECT(next_ <= end_);
        return panel;
    }

  private:
    Word* next_;
    Word* end_;
};

template <typename T>
Panel<const T> read(Panel<T> panel) {
    return {panel.data, panel.columns};
}

/// Writes the `values` of keys k to k + 15, rounded to the element type, into a row of elements.
inline void put(float* row, std::int64_t k, __m512 values) {
    simd::store(row + k, values);
}
inline void put(c10::BFloat16* row, std::int64_t k, __m512 values) {
    simd::store(row + k, values);
}

/// Writes D sums times `factor` into a row of elements.
template <typename Element>
void put_row(const float* sums, std::int64_t head_size, float factor, Element* row) {
    for (std::int64_t d = 0; d < head_size; d += kLanes)
        put(row, d, _mm512_mul_ps(simd::load(sums + d), _mm512_set1_ps(factor)));
}

/// Replaces each of the T scores by exp(scale * score - max), and sets `sum` to their sum. Returns the
/// logarithm of the softmax's denominator.
float softmax_terms(float* scores, std::int64_t tokens, float scale, float& sum) {
    __m512 top = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    for (std::int64_t k = 0; k < tokens; k += kLanes)
        top = _mm512_mask_max_ps(top, simd::first_lanes(tokens - k), top, simd::load(scores + k));
    const float largest = scale * _mm512_reduce_max_ps(top);
    __m512 sums = _mm512_setzero_ps();
    for (std::int64_t k = 0; k < tokens; k += kLanes) {
        const __m512 shifted =
            _mm512_fmsub_ps(simd::load(scores + k), _mm512_set1_ps(scale), _mm512_set1_ps(largest));
        const __m512 term = _mm512_maskz_mov_ps(simd::first_lanes(tokens - k), simd::exp(shifted));
        sums = _mm512_add_ps(sums, term);
        simd::store(scores + k, term);
    }
    sum = _mm512_reduce_add_ps(sums);
    return largest + std::log(sum);
}

template <typename Element>
void attend_by_avx512(const HeadRows<Element>& head, Element* output, float* log_sums) {
    const Head<Element> own(head);
    const auto& [tokens, size, padded, size_words, token_words, stride, scale, mask] = own;
    Workspace workspace(size_words * padded + token_words * size + kQueries * (2 * padded + size));
    const auto keys = workspace.take(size_words, padded);
    const auto values = workspace.take(token_words, size);
    const auto scores = workspace.take<float>(kQueries, padded);
    const auto probabilities = workspace.take(
        kQueries, padded);  // rows of elements, which fill only half of a row if Element is BFloat16
    const auto sums = workspace.take<float>(kQueries, size);
    turn(head.query_key_value + head.hidden, stride, tokens, size, keys);
    stack(head.query_key_value + 2 * head.hidden, stride, tokens, values);
    for (std::int64_t first = 0; first < tokens; first += kQueries) {
        const std::int64_t rows = std::min(kQueries, tokens - first);
        const Left queries{reinterpret_cast<const char*>(head.query_key_value + first * stride),
                           stride / kPerWord<Element>, 1};
        multiply<Element>(queries, read(keys), size_words, scores, rows);
        for (std::int64_t r = 0; r < rows; ++r) {
            float* terms = scores.data + r * padded;
            float sum = 0;
            const float log_sum = softmax_terms(terms, tokens, scale, sum);
            if (log_sums != nullptr) log_sums[first + r] = log_sum;
            auto* row = reinterpret_cast<Element*>(probabilities.data + r * padded);
            for (std::int64_t k = 0; k < padded; k += kLanes) {
                const __m512 p = _mm512_div_ps(simd::load(terms + k), _mm512_set1_ps(sum));
                put(row, k, own.masked(p, first + r, k));
            }
        }
        const Left used{reinterpret_cast<const char*>(probabilities.data), padded, 1};
        multiply<Element>(used, read(values), token_words, sums, rows);
        for (std::int64_t r = 0; r < rows; ++r)
            put_row(sums.data + r * size, size, 1.0F, output + (first + r) * head.hidden);
    }
}

/// The arrays of the backward pass of one head.
template <typename Element>
struct BackwardPanels {
    explicit BackwardPanels(const Head<Element>& head)
        : memory(2 * head.size_words * head.padded + 3 * head.token_words * head.size +
                 2 * head.token_words * head.padded + kQueries * 3 * head.padded + head.padded * head.size),
          keys_turned(memory.take(head.size_words, head.padded)),
          values_turned(memory.take(head.size_words, head.padded)),
          keys(memory.take(head.token_words, head.size)),
          queries(memory.take(head.token_words, head.size)),
          outputs(memory.take(head.token_words, head.size)),
          used(memory.take(head.token_words, head.padded)),
          score_gradients(memory.take(head.token_words, head.padded)),
          scores(memory.template take<float>(kQueries, head.padded)),
          inner(memory.template take<float>(kQueries, head.padded)),
          gradient_rows(memory.take(kQueries, head.padded)),
          sums(memory.template take<float>(head.padded, head.size)) {}

    Workspace memory;
    Panel<Word> keys_turned, values_turned;
    Panel<Word> keys, queries, outputs;  ///< `outputs` holds the gradients of the outputs
    /// Masked probabilities, and gradients of scores. Both are transposed: word (u, k) holds key k of query u
    /// (float) or of queries 2 u and 2 u + 1 (BFloat16).
    Panel<Word> used, score_gradients;
    Panel<float> scores,
        inner;  ///< of the queries held now; later their probabilities and the gradients of these
    Panel<Word> gradient_rows;  ///< gradients of the scores of the same queries
    Panel<float> sums;
};

/// Replaces the scores of query q by the probabilities, and `inner` (output gradient times values) by the
/// gradients of the probabilities. Returns the inner product of both.
template <typename Element>
float probabilities_of_row(const Head<Element>& own, std::int64_t q, float log_sum, float* scores,
                           float* inner) {
    __m512 dot = _mm512_setzero_ps();
    for (std::int64_t k = 0; k < own.padded; k += kLanes) {
        const __m512 shifted =
            _mm512_fmsub_ps(simd::load(scores + k), _mm512_set1_ps(own.scale), _mm512_set1_ps(log_sum));
        const __m512 p = _mm512_maskz_mov_ps(simd::first_lanes(own.tokens - k), simd::exp(shifted));
        const __m512 g = own.masked(simd::load(inner + k), q, k);
        dot = _mm512_fmadd_ps(p, g, dot);
        simd::store(scores + k, p);
        simd::store(inner + k, g);
    }
    return _mm512_reduce_add_ps(dot);
}

/// `words` of 16 keys, in which `values` become the values of query `i` of each word.
template <typename Element>
__m512i with_query(__m512i words, std::int64_t i, __m512 values) {
    if constexpr (std::is_same_v<Element, float>) {
        return _mm512_castps_si512(values);
    } else {
        const __m512i halves = _mm512_cvtepu16_epi32(simd::narrowed(values));
        return _mm512_or_si512(words, _mm512_slli_epi32(halves, static_cast<unsigned>(16 * i)));
    }
}

/// The backward pass of the softmax for queries q to q + count - 1, which share a word. They are the rows
/// from r on of the queries held now.
template <typename Element>
void score_gradients_of_word(const Head<Element>& own, const BackwardPanels<Element>& panels,
                             const float* log_sums, std::int64_t q, std::int64_t r, std::int64_t count) {
    const std::int64_t padded = own.padded;
    float dots[2] = {};
    for (std::int64_t i = 0; i < count; ++i) {
        dots[i] = probabilities_of_row(own, q + i, log_sums[q + i], panels.scores.data + (r + i) * padded,
                                       panels.inner.data + (r + i) * padded);
    }
    const std::int64_t unit = q / kPerWord<Element>;
    for (std::int64_t k = 0; k < padded; k += kLanes) {
        __m512i used_words = _mm512_setzero_si512();
        __m512i gradient_words = _mm512_setzero_si512();
        for (std::int64_t i = 0; i < count; ++i) {
            const __m512 p = simd::load(panels.scores.data + (r + i) * padded + k);
            const __m512 g = simd::load(panels.inner.data + (r + i) * padded + k);
            const __m512 s = _mm512_mul_ps(p, _mm512_sub_ps(g, _mm512_set1_ps(dots[i])));
            put(reinterpret_cast<Element*>(panels.gradient_rows.data + (r + i) * padded), k, s);
            used_words = with_query<Element>(used_words, i, own.masked(p, q + i, k));
            gradient_words = with_query<Element>(gradient_words, i, s);
        }
        _mm512_storeu_si512(panels.used.data + unit * padded + k, used_words);
        _mm512_storeu_si512(panels.score_gradients.data + unit * padded + k, gradient_words);
    }
}

template <typename Element>
void attend_backward_by_avx512(const HeadRows<Element>& head, const Element* output_gradient,
                               const float* log_sums, Element* query_key_value_gradient) {
    const Head<Element> own(head);
    const auto& [tokens, size, padded, size_words, token_words, stride, scale, mask] = own;
    const BackwardPanels<Element> panels(own);
    const Panel<float> sums = panels.sums;
    const Element* in = head.query_key_value;
    turn(in + head.hidden, stride, tokens, size, panels.keys_turned);
    turn(in + 2 * head.hidden, stride, tokens, size, panels.values_turned);
    stack(in + head.hidden, stride, tokens, panels.keys);
    stack(in, stride, tokens, panels.queries);
    stack(output_gradient, head.hidden, tokens, panels.outputs);
    for (std::int64_t first = 0; first < tokens; first += kQueries) {
        const std::int64_t rows = std::min(kQueries, tokens - first);
        multiply<Element>({reinterpret_cast<const char*>(in + first * stride), stride / kPerWord<Element>, 1},
                          read(panels.keys_turned), size_words, panels.scores, rows);
        multiply<Element>({reinterpret_cast<const char*>(output_gradient + first * head.hidden),
                           head.hidden / kPerWord<Element>, 1},
                          read(panels.values_turned), size_words, panels.inner, rows);
        for (std::int64_t r = 0; r < rows; r += kPerWord<Element>) {
            const std::int64_t count = std::min(kPerWord<Element>, rows - r);
            score_gradients_of_word(own, panels, log_sums, first + r, r, count);
        }
        multiply<Element>({reinterpret_cast<const char*>(panels.gradient_rows.data), padded, 1},
                          read(panels.keys), token_words, sums, rows);
        for (std::int64_t r = 0; r < rows; ++r)
            put_row(sums.data + r * size, size, scale, query_key_value_gradient + (first + r) * stride);
    }
    const auto over_queries = [&](Panel<Word> left, Panel<Word> right, float factor, Element* to) {
        multiply<Element>({reinterpret_cast<const char*>(left.data), 1, own.padded}, read(right),
                          own.token_words, sums, own.tokens);
        for (std::int64_t t = 0; t < own.tokens; ++t)
            put_row(sums.data + t * own.size, own.size, factor, to + t * own.stride);
    };
    over_queries(panels.score_gradients, panels.queries, scale, query_key_value_gradient + head.hidden);
    over_queries(panels.used, panels.outputs, 1.0F, query_key_value_gradient + 2 * head.hidden);
}

}  // namespace
BV_AVX512_END

template <typename Element>
bool has_attention_kernel(std::int64_t head_size) {
    return has_avx512<Element>() && head_size % kLanes == 0;
}

template <typename Element>
void attend(const HeadRows<Element>& head, Element* output, float* log_sums) {
    attend_by_avx512(head, output, log_sums);
}

template <typename Element>
void attend_backward(const HeadRows<Element>& head, const Element* output_gradient, const float* log_sums,
                     Element* query_key_value_gradient) {
    attend_backward_by_avx512(head, output_gradient, log_sums, query_key_value_gradient);
}

#else

template <typename Element>
bool has_attention_kernel(std::int64_t) {
    return false;
}

template <typename Element>
void attend(const HeadRows<Element>&, Element*, float*) {
    BV_EXPECT(false);
}

template <typename Element>
void attend_backward(const HeadRows<Element>&, const Element*, const float*, Element*) {
    BV_EXPECT(false);
}

#endif

template bool has_attention_kernel<float>(std::int64_t);
template bool has_attention_kernel<c10::BFloat16>(std::int64_t);
template void attend(const HeadRows<float>&, float*, float*);
template void attend(const HeadRows<c10::BFloat16>&, c10::BFloat16*, float*);
template void attend_backward(const HeadRows<float>&, const float*, const float*, float*);
template void attend_backward(const HeadRows<c10::BFloat16>&, const c10::BFloat16*, const float*,
                              c10::BFloat16*);

}  // namespace bv
