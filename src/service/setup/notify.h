/* setup/notify.h: readiness for a service manager, in the protocol of sd_notify(3).
 *
 * One datagram to the socket that NOTIFY_SOCKET names: a path, or an abstract name behind "@". The protocol
 * is stable and this small, so no library of systemd is needed. The room does not speak it: it has no
 * business with anybody but its host. Any thread. */
#pragma once

#include "base/result.h"
#include "base/view.h"

/* Does nothing where `socket_name` is NULL or empty: nobody asked. UNAVAILABLE "notify.socket" when nobody
 * takes it, INVALID "notify.name". */
fallible notify_send(const char *socket_name, struct text message);
