// How the C library deals with freed memory; for a program's main(), not for a library's code.
#pragma once

namespace boxcar {

/// Keeps freed blocks of up to 32 MB (up to 64 MB at a heap's end) for the next request. Decoded images come and go by
/// the megabyte; given back to the system and asked for anew, their pages cost more time than decoding them. Nothing
/// happens where the C library is not glibc.
void keep_freed_memory();

}  // namespace boxcar
