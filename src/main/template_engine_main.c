/* truce-template-engine: makes the text that a contract holds from the SQL that people write
 * (party/template_engine/template_engine.h), on the stream socket that it inherits as descriptor 3. */
#include "edge/child.h"
#include "party/template_engine/template_engine.h"

#include "main/identity.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "--version") == 0) {
        printf("truce-template-engine %s", identity_text);
        return 0;
    }
    if (count != 1) {
        return 2;
    }
    template_engine_serve(CHILD_DESCRIPTOR);
    /* Not exit: the engine is left as it is, in a sandbox where its destructors could not do their work. */
    _exit(0);
}
