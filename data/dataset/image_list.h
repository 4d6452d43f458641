// Which image files a split of a data set consists of, and where their labels lie.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

namespace boxcar {

/// Whether the file name ends in one of the suffixes by which images are collected (jpg, jpeg, png, bmp
/// and those of formats that are then refused by name, such as webp), in any case.
bool has_image_suffix(const std::filesystem::path& file);

/// The images of a split, sorted together by code point. Each source is a folder (everything below it,
/// without hidden files and folders) or a text file with one path a line (a line that starts with "./" is
/// relative to the text file's folder, any other to the working folder). Throws DataError where a source
/// is neither, or nothing is left.
std::vector<std::filesystem::path> list_images(std::span<const std::filesystem::path> sources);

/// How many of `count` images a `fraction` keeps: below 1 that share (rounded, ties to even, at least
/// one), exactly 1 all, a whole number above 1 that many. Throws ArgumentError on anything else.
std::size_t fraction_count(std::size_t count, double fraction);

/// The label file of an image: the last "/images/" of the path becomes "/labels/", the suffix ".txt".
std::filesystem::path label_path(const std::filesystem::path& image);

}  // namespace boxcar
