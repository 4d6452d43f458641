#include "boxcar/runtime/files/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "boxcar/runtime/files/quote.h"
#include "support/files.h"
#include "support/folder.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;
using test::Folder;
using test::is_line_with;
using test::message_of;
using test::read_plainly;
using test::write_plainly;

/// Files may not grow beyond `bytes` while this lives: to a writer, a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limited{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limited);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  sighandler_t handler_;
  rlimit old_{};
};

TEST(AtomicFile, WritesANewFileAndReplacesAnOldOne) {
  const Folder folder;
  write_file_atomically(folder / "a.txt", "first, and longer");
  EXPECT_EQ(read_plainly(folder / "a.txt"), "first, and longer");
  write_file_atomically(folder / "a.txt", "");
  EXPECT_EQ(read_plainly(folder / "a.txt"), "");
  EXPECT_EQ(folder.listing(), "a.txt");
}

TEST(AtomicFile, StreamsMoreThanItsBuffer) {
  const Folder folder;
  const std::string piece(300'001, 'x'), large(3'000'000, 'y');
  AtomicFile file(folder / "a.bin");
  for (int i = 0; i < 5; ++i) file.append(piece);
  file.append(large);
  file.append(std::as_bytes(std::span(piece)));
  EXPECT_EQ(file.size(), 6 * piece.size() + large.size());
  file.commit();
  EXPECT_EQ(read_plainly(folder / "a.bin"), piece + piece + piece + piece + piece + large + piece);
}

TEST(AtomicFile, NothingRemainsWithoutCommit) {
  const Folder folder;
  write_plainly(folder / "a.txt", "old");
  {
    AtomicFile file(folder / "a.txt");
    file.append("new");
    EXPECT_EQ(read_plainly(folder / "a.txt"), "old");
  }
  EXPECT_EQ(read_plainly(folder / "a.txt"), "old");
  EXPECT_EQ(folder.listing(), "a.txt");
}

TEST(AtomicFile, AFullDiskLeavesTheOldFile) {
  const Folder folder;
  write_plainly(folder / "a.txt", "old");
  std::string message;
  {
    const FileSizeLimit limit(1000);
    message = message_of<IoError>([&] { write_file_atomically(folder / "a.txt", std::string(5000, 'x')); });
  }
  EXPECT_TRUE(is_line_with(message, quote_path(folder / "a.txt") + ": File too large"));
  EXPECT_EQ(read_plainly(folder / "a.txt"), "old");
  EXPECT_EQ(folder.listing(), "a.txt");
}

TEST(AtomicFile, WhatAKilledProcessLeftIsRemoved) {
  const Folder folder;
  for (const char* other : {"a.txt", ".tmp", "a.txt.1.0.tmp", ".a.txt.x.0.tmp", ".a.txt.0.tmp"}) {
    write_plainly(folder / other, "kept");
  }
  const std::string before = folder.listing();
  write_plainly(folder / ".last.pt.4711.0.tmp", "half");
  AtomicFile unfinished(folder / "a.txt");
  EXPECT_NE(folder.listing(), before);
  remove_unfinished_files(folder.path());
  EXPECT_EQ(folder.listing(), before);
  remove_unfinished_files(folder / "none");
}

TEST(AtomicFile, RefusesTargetsThatAreNoFiles) {
  const Folder folder;
  fs::create_directory(folder / "sub");
  const auto refuse = [](const fs::path& path) {
    return message_of<IoError>([&] { write_file_atomically(path, "x"); });
  };
  EXPECT_TRUE(is_line_with(refuse(folder / "sub"), "it is a folder"));
  EXPECT_TRUE(is_line_with(refuse(folder / "sub/"), "it names a folder"));
  EXPECT_TRUE(is_line_with(refuse(folder / "none/a.txt"), "No such file or directory"));
  EXPECT_TRUE(is_line_with(refuse(""), "it names a folder"));
  EXPECT_TRUE(is_line_with(refuse("/dev/null"), "it is not a regular file"));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(AtomicFile, AReadOnlyFolderIsNamed) {
  const Folder folder;
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_all);
  fs::permissions(folder.path(), fs::perms::others_write, fs::perm_options::remove);
  // The administrator may write anywhere: another user's rights for a moment.
  const bool is_root = ::geteuid() == 0;
  if (is_root && ::seteuid(65534) != 0) GTEST_SKIP() << "cannot change the user";
  const auto message = message_of<IoError>([&] { write_file_atomically(folder / "a.txt", "x"); });
  if (is_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  fs::permissions(folder.path(), fs::perms::owner_all);
  EXPECT_TRUE(is_line_with(message, "Permission denied"));
  EXPECT_EQ(folder.listing(), "");
}

TEST(AtomicFile, KeepsPermissionsAndFollowsLinks) {
  const Folder folder;
  write_plainly(folder / "real.txt", "old");
  fs::permissions(folder / "real.txt", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("real.txt", folder / "link.txt");
  write_file_atomically(folder / "link.txt", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link.txt"));
  EXPECT_EQ(read_plainly(folder / "real.txt"), "new");
  EXPECT_EQ(fs::status(folder / "real.txt").permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST(AtomicFile, NamesAsLongAsTheSystemAllows) {
  const Folder folder;
  const std::string name(255, 'n');
  write_file_atomically(folder / name, "x");
  EXPECT_EQ(read_plainly(folder / name), "x");
}

TEST(ReadFile, RefusesWhatItCannotRead) {
  const Folder folder;
  write_plainly(folder / "a.txt", "12345");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_file(folder / "a.txt", 5), "12345");
  const auto refuse = [](const fs::path& path) { return message_of<IoError>([&] { read_file(path, 4); }); };
  EXPECT_TRUE(is_line_with(refuse(folder / "a.txt"), "it holds 5 bytes, more than the 4 expected"));
  EXPECT_TRUE(is_line_with(refuse(folder.path()), "it is a folder"));
  EXPECT_TRUE(is_line_with(refuse(folder / "pipe"), "not a regular file"));
  EXPECT_TRUE(is_line_with(refuse(folder / "none"), "No such file"));
}

TEST(Quote, KeepsAMessageInOneLine) {
  EXPECT_EQ(quote("plain.txt"), "'plain.txt'");
  EXPECT_EQ(quote("a\nb\x1b[31m'\\"), "'a\\x0ab\\x1b[31m\\x27\\x5c'");
  EXPECT_EQ(quote("gr\xc3\xbc\xc3\x9f\xe7\x8c\xab"), "'gr\xc3\xbc\xc3\x9f\xe7\x8c\xab'");
  EXPECT_EQ(quote("\xc2\x9b\xff\xc0\xaf\xe7\x8c"), "'\\xc2\\x9b\\xff\\xc0\\xaf\\xe7\\x8c'");
  EXPECT_EQ(quote("abcdef", 3), "'abc...'");
  EXPECT_EQ(quote(""), "''");
}

}  // namespace
}  // namespace boxcar
