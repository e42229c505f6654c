/* truce-seal-engine: a party's reader of its own local files (party/seal_engine/seal_engine.h), on the stream
 * socket that it inherits as descriptor 3. */
#include "party/seal_engine/seal_engine.h"

enum { STREAM_DESCRIPTOR = 3 };

int main(int count, char **arguments)
{
    (void)arguments;
    return count == 1 ? seal_engine_serve(STREAM_DESCRIPTOR) : 2;
}
