#include "room/deadline.h"

#include <sys/socket.h>
#include <time.h>

static void *watch(void *argument)
{
    struct deadline *deadline = argument;
    pthread_mutex_lock(&deadline->mutex);
    while (!deadline->stopping) {
        if (!deadline->armed) {
            pthread_cond_wait(&deadline->changed, &deadline->mutex);
            continue;
        }
        struct timespec until = {.tv_sec = deadline->at_ms / 1000,
                                 .tv_nsec = deadline->at_ms % 1000 * 1000000};
        pthread_cond_timedwait(&deadline->changed, &deadline->mutex, &until);
        struct timespec now;
        ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
        if (deadline->armed && (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 >= deadline->at_ms) {
            shutdown(deadline->socket, SHUT_RDWR);
            deadline->passed = true;
            deadline->armed = false;
        }
    }
    pthread_mutex_unlock(&deadline->mutex);
    return NULL;
}

fallible deadline_start(struct deadline *deadline)
{
    *deadline = (struct deadline){.socket = -1};
    pthread_condattr_t attributes;
    ASSERT(pthread_condattr_init(&attributes) == 0);
    ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_mutex_init(&deadline->mutex, NULL) == 0);
    ASSERT(pthread_cond_init(&deadline->changed, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    REQUIRE(pthread_create(&deadline->thread, NULL, watch, deadline) == 0, UNAVAILABLE,
            "room.deadline.thread");
    deadline->started = true;
    return OK;
}

void deadline_stop(struct deadline *deadline)
{
    if (!deadline->started) {
        return;
    }
    pthread_mutex_lock(&deadline->mutex);
    deadline->stopping = true;
    pthread_cond_broadcast(&deadline->changed);
    pthread_mutex_unlock(&deadline->mutex);
    pthread_join(deadline->thread, NULL);
    deadline->started = false;
}

void deadline_arm(struct deadline *deadline, int socket, int64_t at_ms)
{
    pthread_mutex_lock(&deadline->mutex);
    ASSERT(!deadline->armed);
    deadline->armed = true;
    deadline->passed = false;
    deadline->socket = socket;
    deadline->at_ms = at_ms;
    pthread_cond_broadcast(&deadline->changed);
    pthread_mutex_unlock(&deadline->mutex);
}

bool deadline_disarm(struct deadline *deadline)
{
    pthread_mutex_lock(&deadline->mutex);
    deadline->armed = false;
    deadline->socket = -1;
    bool passed = deadline->passed;
    deadline->passed = false;
    pthread_mutex_unlock(&deadline->mutex);
    return passed;
}
