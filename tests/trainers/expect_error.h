// Checks an exception's type and its whole message.
#pragma once

#include <gtest/gtest.h>

#include <string>

#define EXPECT_ERROR(Type, expression, message)               \
  do {                                                        \
    try {                                                     \
      (void)(expression);                                     \
      ADD_FAILURE() << "no exception from " #expression;      \
    } catch (const Type& e) {                                 \
      EXPECT_EQ(std::string(e.what()), std::string(message)); \
    }                                                         \
  } while (false)
