// Runs one kernel of packed.cu on the CPU: a request on stdin, its buffers as the kernel left
// them on stdout. All numbers are little-endian and of 32 bits.
//
// Request: length of the name, name, grid.x, grid.y, threads of a block, number of arguments, and
// for each argument its length in bytes and the bytes. Arguments of four bytes are numbers and
// all others buffers.

#include "packed.cu"

static std::vector<char> take(size_t bytes) {
    std::vector<char> read(bytes);
    if (std::fread(read.data(), 1, bytes, stdin) != bytes) {
        std::fprintf(stderr, "the request ends too early\n");
        std::exit(1);
    }
    return read;
}

static unsigned take_number() {
    unsigned number;
    std::memcpy(&number, take(4).data(), 4);
    return number;
}

int main() {
    const std::vector<char> letters = take(take_number());
    const std::string name(letters.begin(), letters.end());
    Place grid;
    grid.x = take_number();
    grid.y = take_number();
    const unsigned threads = take_number();
    std::vector<std::vector<char>> arguments(take_number());
    for (std::vector<char>& argument : arguments) {
        argument = take(take_number());
    }
    const auto buffer = [&](size_t at) { return reinterpret_cast<bf16*>(arguments.at(at).data()); };
    const auto rows = [&](size_t at) { return reinterpret_cast<unsigned*>(arguments.at(at).data()); };
    const auto floats = [&](size_t at) { return reinterpret_cast<float*>(arguments.at(at).data()); };
    const auto number = [&](size_t at) { return static_cast<int>(*rows(at)); };
    const auto attend = [&](auto* kernel) {
        launch(grid, threads, [&, kernel] {
            kernel(buffer(0), floats(1), rows(2), rows(3), number(4), number(5), buffer(6));
        });
    };
    if (name == "embed") {
        launch(grid, threads, [&] {
            embed(buffer(0), buffer(1), buffer(2), rows(3), rows(4), rows(5), floats(6), floats(7), *floats(8),
                  number(9), number(10), buffer(11));
        });
    } else if (name == "add_norm") {
        launch(grid, threads, [&] {
            add_norm(buffer(0), floats(1), buffer(2), floats(3), floats(4), *floats(5), number(6), number(7),
                     buffer(8));
        });
    } else if (name == "activate") {
        launch(grid, threads, [&] { activate(buffer(0), floats(1), number(2), number(3), number(4)); });
    } else if (name == "first_rows") {
        launch(grid, threads, [&] { first_rows(buffer(0), rows(1), number(2), buffer(3)); });
    } else if (name == "attend_32") {
        attend(attend_32);
    } else if (name == "attend_64") {
        attend(attend_64);
    } else {
        std::fprintf(stderr, "there is no kernel %s\n", name.c_str());
        return 1;
    }
    for (const std::vector<char>& argument : arguments) {
        std::fwrite(argument.data(), 1, argument.size(), stdout);
    }
}
