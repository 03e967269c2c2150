#pragma once

#include <cstdint>
#include <filesystem>

#include <c10/core/Device.h>

namespace bv {

/// Writes a trace of some training steps in the format of PyTorch's profiler (a JSON list of events, which
/// the programs of Chrome and Perfetto show). It begins after some steps that are slower because memory and
/// kernels are new. The profiler makes the traced steps slower, but changes none of their results.
class StepTrace {
  public:
    /// `steps` steps will follow. Does nothing if there is a file at `path`, unless `force` is given.
    StepTrace(std::filesystem::path path, at::Device device, bool force, std::int64_t steps);

    /// Stops a trace that was not written.
    ~StepTrace();
    StepTrace(const StepTrace&) = delete;
    StepTrace& operator=(const StepTrace&) = delete;

    void begin_step();

    /// After the last traced step it writes the file. If it cannot be written, it logs a warning: training
    /// goes on.
    void end_step();

  private:
    void write() const;

    std::filesystem::path path_;
    at::Device device_;
    std::int64_t first_ = 0;  ///< first traced step
    std::int64_t end_ = 0;    ///< the step after the last traced one
    std::int64_t step_ = 0;   ///< steps done
    bool on_ = false;
};

}  // namespace bv
