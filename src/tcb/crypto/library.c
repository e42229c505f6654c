#include "crypto/library.h"

#include "base/result.h"

#include <openssl/crypto.h>

void crypto_library_start(void)
{
    uint64_t options = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_CIPHERS |
                       OPENSSL_INIT_ADD_ALL_DIGESTS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS;
    ASSERT(OPENSSL_init_crypto(options, NULL) == 1);
}
