/* The wall clock, as our own code reads it. */
#include "fault.h"

#include <time.h>

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    int status = __real_clock_gettime(clock, out);
    if (status == 0 && clock == CLOCK_REALTIME) {
        out->tv_sec += fault_clock_offset();
    }
    return status;
}
