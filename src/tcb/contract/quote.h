/* contract/quote.h: foreign text made harmless for people who read it in a terminal.
 *
 * What a party wrote must not pass for what Truce says. Each of its lines is indented behind a bar, long ones
 * are broken before a terminal would, and every character that is invisible, moves others or changes the
 * direction of writing is written as \u{…}. Scripts written from right to left are escaped too, because they
 * reorder what stands beside them. The quoted text is for reading; what counts is the payload. */
#pragma once

#include "base/buffer.h"

enum { QUOTE_WIDTH = 88 };

/* Appends `untrusted_text` as lines "INDENT | …\n"; a broken line goes on with "INDENT : ". Octets that are
 * not UTF-8 are escaped as \x{…}. The empty text gives one empty line. */
fallible quote_block(struct buffer *out, unsigned indent, struct text untrusted_text);
