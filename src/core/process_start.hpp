#pragma once

namespace bv {

/// What every program does first: reserves the standard streams, and looks for what no library that it loads
/// would name. False where the program cannot run; why, one line on standard error says.
bool start_process();

}  // namespace bv
