#include "main/identity.h"

#include "commit.h"
#include "edge/query_wire.h"

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

const char identity_text[] =
    TRUCE_VERSION "\ncommit " TRUCE_COMMIT "\ncompiler " COMPILER "\nengine " QUERY_ENGINE "\n";
