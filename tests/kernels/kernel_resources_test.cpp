// Registers, shared memory and spills of each kernel, from what ptxas said when the library was built
// (cmake/keep-ptxas-report). The table is written to <build folder>/kernel_resources.txt.
#include <cxxabi.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "support/files.h"

namespace boxcar {
namespace {

// Of one kernel on one architecture; bytes, and registers of a thread.
struct Resources {
  int registers = 0, shared = 0, stack = 0, spilled = 0;
};
using ByArchitecture = std::map<std::string, Resources>;
using Table = std::map<std::string, ByArchitecture>;

int number_before(const std::string& line, const char* unit) {
  std::smatch found;
  return std::regex_search(line, found, std::regex(std::string(R"((\d+) )") + unit)) ? std::stoi(found[1]) : 0;
}

// "activation_forward_kernel<float, 4>" of the symbol.
std::string readable(const std::string& symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status),
                                                         std::free);
  if (status != 0) return symbol;
  const std::string name = std::regex_replace(
      demangled.get(), std::regex(R"(^void |boxcar::|kernels::|cuda::|\(anonymous namespace\)::)"), "");
  int depth = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0) return name.substr(0, i);
  }
  return name;
}

// Adds what the report says to the table; returns how many kernels it describes.
int read_report(const std::string& report, Table& table) {
  static const std::regex heading(R"(Compiling entry function '(\w+)' for '(\w+)')");
  std::istringstream lines(report);
  Resources unused;
  Resources* current = &unused;
  int kernels = 0;
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (std::regex_search(line, found, heading)) {
      current = &table[readable(found[1])][found[2]];
      ++kernels;
    } else if (line.find("bytes stack frame") != std::string::npos) {
      current->stack = std::max(current->stack, number_before(line, "bytes stack frame"));
      current->spilled += number_before(line, "bytes spill stores") + number_before(line, "bytes spill loads");
    } else if (line.find(" registers") != std::string::npos) {
      current->registers = number_before(line, "registers");
      current->shared = number_before(line, "bytes smem");
    }
  }
  return kernels;
}

// "24/24/26", in the order of the architectures.
std::string joined(const ByArchitecture& all, int Resources::*field) {
  std::string text;
  for (const auto& [architecture, resources] : all) {
    text += (text.empty() ? "" : "/") + std::to_string(resources.*field);
  }
  return text;
}

std::string text_of(const Table& table) {
  std::string architectures;
  for (const auto& [architecture, resources] : table.begin()->second) architectures += " " + architecture;
  std::string text = fmt::format(
      "Of each kernel, on{}: registers of a thread; bytes of shared memory declared, of a\n"
      "thread's stack, of registers spilled.\n{:>14} {:>20} {:>14} {:>8}  kernel\n",
      architectures, "registers", "shared", "stack", "spilled");
  for (const auto& [kernel, all] : table) {
    text += fmt::format("{:>14} {:>20} {:>14} {:>8}  {}\n", joined(all, &Resources::registers),
                        joined(all, &Resources::shared), joined(all, &Resources::stack),
                        joined(all, &Resources::spilled), kernel);
  }
  return text;
}

TEST(KernelResources, ReportsAreUnderstood) {
  Table table;
  EXPECT_EQ(read_report("ptxas info    : Compiling entry function '_ZN6boxcar4cuda6kernelIfLi2EEEvPT_' for 'sm_80'\n"
                        "ptxas info    : Function properties for _ZN6boxcar4cuda6kernelIfLi2EEEvPT_\n"
                        "    16 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads\n"
                        "ptxas info    : Used 31 registers, used 1 barriers, 16 bytes cumulative stack size, "
                        "2048 bytes smem, 428 bytes cmem[0]\n",
                        table),
            1);
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table.begin()->first, "kernel<float, 2>");
  const Resources& kernel = table.begin()->second.at("sm_80");
  EXPECT_EQ(kernel.registers, 31);
  EXPECT_EQ(kernel.shared, 2048);
  EXPECT_EQ(kernel.stack, 16);
  EXPECT_EQ(kernel.spilled, 12);
}

TEST(KernelResources, NoKernelSpills) {
  Table table;
  std::istringstream objects(CUDA_OBJECTS);
  for (std::string object; std::getline(objects, object, ':');) {
    EXPECT_GT(read_report(test::read_plainly(object + ".ptxas"), table), 0)
        << object << ".ptxas describes no kernel; build " << object << " anew";
  }
  ASSERT_FALSE(table.empty());
  for (const auto& [kernel, all] : table) {
    for (const auto& [architecture, resources] : all) {
      EXPECT_EQ(resources.spilled, 0) << kernel << " on " << architecture << ": bytes of registers spilled";
      EXPECT_GT(resources.registers, 0) << kernel << " on " << architecture << ": no registers are reported";
    }
  }
  const std::string text = text_of(table);
  test::write_plainly(RESOURCE_TABLE, text);
  fmt::print("{}", text);
}

}  // namespace
}  // namespace boxcar
