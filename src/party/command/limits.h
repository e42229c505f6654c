/* party/command/limits.h: every named limit of every program, as `truce limits` prints them. The table is
 * made when Truce is built, by limits.py from src/limits and from the sources that define the values. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct limit {
    const char *name;
    uint64_t value;
};

extern const struct limit limits_table[];
extern const size_t limits_count;
