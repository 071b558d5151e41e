// Runs a function: what is on standard input through it, to standard output.
//
// Usage: model OUTPUT_LIMIT. Ends with 0, or with 3 where the function does
// not go on, 4 where more than OUTPUT_LIMIT bytes come out.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "Vafu.h"
#include "verilated.h"

namespace {

// Cycles in which nothing goes in or comes out.
constexpr unsigned long kPatience = 1 << 20;
constexpr int kStuck = 3;
constexpr int kTooMuch = 4;

std::string read_all() {
    std::string data;
    char part[65536];
    size_t length;
    while ((length = std::fread(part, 1, sizeof part, stdin)) > 0)
        data.append(part, length);
    return data;
}

void tick(Vafu &afu) {
    afu.clk = 1;
    afu.eval();
    afu.clk = 0;
    afu.eval();
}

}  // namespace

int main(int argc, char **argv) {
    const size_t limit = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 0;
    const std::string in = read_all();
    std::string out;
    auto context = std::make_unique<VerilatedContext>();
    auto afu = std::make_unique<Vafu>(context.get());

    afu->rst = 1;
    afu->clk = 0;
    afu->eval();
    tick(*afu);
    tick(*afu);
    afu->rst = 0;

    size_t at = 0;
    bool ended = false;
    for (unsigned long idle = 0; idle < kPatience; ++idle) {
        afu->in_valid = at < in.size();
        afu->in_data = at < in.size() ? in[at] : 0;
        afu->in_end = at == in.size() && !ended;
        afu->eval();
        if (afu->done) {
            std::fwrite(out.data(), 1, out.size(), stdout);
            return std::fflush(stdout) ? 1 : 0;
        }
        if (afu->out_valid) {
            if (out.size() == limit)
                return kTooMuch;
            out.push_back(afu->out_data);
            idle = 0;
        }
        if (afu->in_ready && !ended) {
            if (at < in.size())
                ++at;
            else
                ended = true;
            idle = 0;
        }
        tick(*afu);
    }
    return kStuck;
}
