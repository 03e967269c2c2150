#include "heads/shared_batch.hpp"

#include "tensor/float8.hpp"

namespace bv {

StateBatch SharedBatch::of(const Head& head, std::int64_t first_state) {
    if (!as_read_.states.defined() || head.reads_any_type()) {
        return as_read_.with_states(first_state, head.states());
    }
    if (!floats_.states.defined()) {
        floats_ = as_read_;
        floats_.states = decoded(as_read_.states).to(at::kFloat);
    }
    return floats_.with_states(first_state, head.states());
}

}  // namespace bv
