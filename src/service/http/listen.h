/* http/listen.h: listening sockets; private to this module. */
#pragma once

#include "base/result.h"
#include "base/view.h"

/* A bound, listening socket. CONFLICT "http.listen.in_use". */
fallible listen_open(struct text listen, bool loopback_only, int *out_socket, uint16_t *out_port);
