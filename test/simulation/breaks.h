/* breaks.h: the switches of `enum mutation`, in front of the functions that carry the guarantees (linker:
 * --wrap). */
#pragma once

#include "game.h"

void breaks_set(enum mutation mutation);
