/* crypto/library.h: starting libcrypto on our terms. */
#pragma once

/* Makes libcrypto ready without its configuration file or environment, so that neither can load code into a
 * measured program or change an algorithm. Call it first, before any other function of crypto/. */
void crypto_library_start(void);
