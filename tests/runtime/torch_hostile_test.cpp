// The broken and hostile .pt files, each read in a child process that the kernel ends if it starts a program, opens
// a socket or opens a file for writing.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "boxcar/runtime/files/torch_file.h"
#include "support/files.h"
#include "support/folder.h"
#include "support/golden.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;
using test::is_line_with;

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kArchitecture = 0;
#endif

constexpr std::uint32_t kOpenForChange = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;

std::uint32_t argument(int index) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * static_cast<std::size_t>(index));
}

// Ends the process at `call` if its argument `index` has one of `bits`; with bits 0, at any such call.
void forbid(std::vector<sock_filter>& program, long call, int index = 0, std::uint32_t bits = 0) {
  program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  if (bits == 0) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
  } else {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 3));
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument(index)));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
}

bool restrict_this_process() {
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
                                   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
  for (const long call :
       {SYS_execve, SYS_execveat, SYS_socket, SYS_openat2, SYS_unlinkat, SYS_renameat2, SYS_mkdirat}) {
    forbid(program, call);
  }
  forbid(program, SYS_openat, 2, kOpenForChange);
#if defined(SYS_open)
  forbid(program, SYS_open, 1, kOpenForChange);
  for (const long call : {SYS_creat, SYS_unlink, SYS_rename, SYS_mkdir}) forbid(program, call);
#endif
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

constexpr int kRead = 10, kRefused = 11, kUnrestricted = 12;

/// What a child process made of an action: how it ended and what it wrote to its outputs.
struct Outcome {
  int status = 0;
  long peak_kilobytes = 0;
  std::string output;
  bool ended_with(int code) const { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
};

void write_out(std::string_view text) { (void)!::write(STDOUT_FILENO, text.data(), text.size()); }

template <class F>
[[noreturn]] void be_the_child(int pipe_end, F&& action) {
  ::dup2(pipe_end, STDOUT_FILENO);
  ::dup2(pipe_end, STDERR_FILENO);
  const rlimit seconds{20, 20};
  ::setrlimit(RLIMIT_CPU, &seconds);
  if (!restrict_this_process()) ::_exit(kUnrestricted);
  try {
    write_out(action());
    ::_exit(kRead);
  } catch (const IoError& error) {
    write_out(error.what());
    ::_exit(kRefused);
  }
}

template <class F>
Outcome run_restricted(F&& action) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
  const pid_t child = ::fork();
  if (child == 0) be_the_child(ends[1], action);
  ::close(ends[1]);
  Outcome outcome;
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    outcome.output.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  rusage usage{};
  ::wait4(child, &outcome.status, 0, &usage);
  outcome.peak_kilobytes = usage.ru_maxrss;
  return outcome;
}

std::string describe(const NamedTensors& tensors) {
  std::string text;
  for (const auto& [name, tensor] : tensors) {
    text += name + " =";
    for (std::int64_t i = 0; i < tensor.count(); ++i) text += " " + std::to_string(tensor.as<float>()[i]);
  }
  return text;
}

bool can_restrict() {
  return kArchitecture != 0 && !run_restricted([] { return ""; }).ended_with(kUnrestricted);
}

// Far above what the library needs for files of 33 kB, far below what some of them ask for (32 MiB, 2 GiB, 4 TiB).
constexpr long kMostKilobytes = 16 * 1024;

// The sandbox itself must bite, or the tests below would show nothing.
TEST(Hostile, TheSandboxStopsProgramsSocketsAndWriting) {
  if (!can_restrict()) GTEST_SKIP() << "no seccomp filters here";
  const test::Folder folder;
  const std::string target = (folder / "x").string();
  const auto is_killed = [](const Outcome& outcome) {
    return WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGSYS;
  };
  EXPECT_TRUE(is_killed(run_restricted([] { return ::execl("/bin/true", "true", nullptr) == 0 ? "" : "failed"; })));
  EXPECT_TRUE(is_killed(run_restricted([] { return ::syscall(SYS_socket, 1, 1, 0) < 0 ? "" : "open"; })));
  EXPECT_TRUE(
      is_killed(run_restricted([&] { return ::open(target.c_str(), O_WRONLY | O_CREAT, 0600) < 0 ? "" : "open"; })));
  EXPECT_EQ(folder.listing(), "");
}

// The words of each refusal; "" for the files that are to be read.
const std::map<std::string, std::string>& expectations() {
  static const std::map<std::string, std::string> kExpectations{
      {"control_ok.pt", ""},
      {"truncated.pt", "not a complete zip"},
      {"system_call.pt", "os.system"},
      {"posix_system_call.pt", "posix.system"},
      {"eval_call.pt", "builtins.eval"},
      {"getattr_chain.pt", "builtins.getattr"},
      {"storage_too_short.pt", "holds 16 bytes, 1600 declared"},
      {"view_out_of_range.pt", "view outside its storage"},
      {"negative_stride.pt", "negative stride"},
      {"negative_size.pt", "negative size"},
      {"huge_shape.pt", "view outside its storage"},
      {"huge_shape_stride0.pt", "repeats elements far beyond the size of the file"},
      {"product_overflow.pt", "element count that overflows"},
      {"missing_storage.pt", "data/7' is missing"},
      {"path_traversal_key.pt", "etc/hostname' is missing"},
      {"path_traversal_records.pt", ""},
      {"complex_dtype.pt", "ComplexFloatStorage"},
      {"zip_bomb.pt", "is compressed"},
      {"deep_nesting.pt", "is compressed"},
      {"cycle.pt", "a cycle without weights"},
      {"memo_missing.pt", "bad memo index"},
      {"stack_underflow.pt", "pickle stack underflow"},
      {"length_lie.pt", "claims 2147483647 bytes"},
      {"no_stop.pt", "without STOP"},
      {"big_endian.pt", ""},
      {"torchscript.pt", "TorchScript"},
      {"not_a_pickle.pt", "not a pickle"},
      {"plain_text.pt", "not a .pt file"},
      {"empty.pt", "empty"},
      {"html_page.pt", "not a .pt file"},
      {"legacy_format.pt", "PyTorch before 1.6"}};
  return kExpectations;
}

void check_file(const fs::path& path, const std::string& words, const std::string& expected_in_golden) {
  SCOPED_TRACE(path.filename().string());
  const Outcome idle = run_restricted([] { return ""; });
  const Outcome outcome = run_restricted([&] { return describe(TorchFile::open(path).state_dict()); });
  EXPECT_EQ(outcome.output.find("boxcar-pickle-was-executed"), std::string::npos);
  EXPECT_LE(outcome.peak_kilobytes, idle.peak_kilobytes + kMostKilobytes);
  if (words.empty()) {
    EXPECT_TRUE(expected_in_golden.starts_with("loads"));
    EXPECT_TRUE(outcome.ended_with(kRead)) << outcome.output;
    EXPECT_EQ(outcome.output, "w = 0.000000 1.000000 2.000000 3.000000");
    return;
  }
  EXPECT_NE(expected_in_golden.find("error"), std::string::npos);
  EXPECT_TRUE(outcome.ended_with(kRefused)) << outcome.status << " " << outcome.output;
  EXPECT_TRUE(is_line_with(outcome.output, words));
  EXPECT_TRUE(is_line_with(outcome.output, path.string()));
}

TEST(Hostile, EveryFileIsReadOrRefusedAndRunsNothing) {
  BOXCAR_NEED_SHARED();
  if (!can_restrict()) GTEST_SKIP() << "no seccomp filters here";
  const auto golden = test::read_json(test::shared("golden/model/hostile.json"))["files"];
  ASSERT_EQ(golden.size(), expectations().size());
  for (const auto& [name, facts] : golden.items()) {
    ASSERT_TRUE(expectations().contains(name)) << name << " has no test";
    check_file(test::shared("golden/model/hostile/" + name), expectations().at(name),
               facts["expect"].get<std::string>());
  }
  EXPECT_FALSE(fs::exists("/tmp/boxcar-escaped.txt") || fs::exists("/tmp/boxcar-escaped-abs.txt"));
}

// The same in this process, where the sanitised build sees leaks and overruns too.
TEST(Hostile, EveryFileInThisProcess) {
  BOXCAR_NEED_SHARED();
  for (const auto& [name, words] : expectations()) {
    const auto path = test::shared("golden/model/hostile/" + name);
    if (words.empty()) {
      EXPECT_EQ(TorchFile::open(path).state_dict().size(), 1u) << name;
    } else {
      const auto message = test::message_of<IoError>([&] { TorchFile::open(path).state_dict(); });
      EXPECT_TRUE(is_line_with(message, words)) << name;
    }
  }
}

}  // namespace
}  // namespace boxcar
