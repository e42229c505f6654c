/* party/template_engine/template_engine.h: `truce-template-engine`: what people write becomes what people
 * sign.
 *
 * The measured vetter takes templates only: WITH cores over tables and a SELECT over cores, every column as
 * TABLE.COLUMN, every output named. This program of the party makes such a text from a plain SELECT over
 * tables, or completes the names of one that has cores. It decides nothing: what comes out is vetted, shown,
 * signed and vetted again like any other text. It is built from the vetter's own parts, so that it refuses
 * for the same reasons, but tells the place in the text as it was written; and it runs in the vetter's
 * sandbox.
 *
 * `truce contract draft` starts it with a stream socket on descriptor 3. It serves one request, that of a vet
 * task (doc/formats.md §7), of which the parameters' values do not matter, with `A` {"sql":TEXT} or
 * `R` {"code","message","offset"?}. */
#pragma once

void template_engine_serve(int stream);
