/* truce-seal-engine: a party's reader of its own local files (party/seal_engine/seal_engine.h), on the stream
 * socket that it inherits as descriptor 3. */
#include "party/seal_engine/seal_engine.h"

#include "main/identity.h"

#include <stdio.h>
#include <string.h>

enum { STREAM_DESCRIPTOR = 3 };

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "--version") == 0) {
        printf("truce-seal-engine %s", identity_text);
        return 0;
    }
    return count == 1 ? seal_engine_serve(STREAM_DESCRIPTOR) : 2;
}
