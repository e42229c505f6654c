/* party/command/advice.h: what a reason means for a person, and what to do next.
 *
 * Looked up by the longest prefix of the reason; without a row the code's own advice is given. */
#pragma once

#include "base/result.h"

const char *advice_for(struct result result);
