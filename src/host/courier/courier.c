#include "host/courier/courier.h"

#include "base/encode.h"
#include "crypto/secret.h"

#include <stdlib.h>
#include <time.h>

enum { PAUSE_SLICE_MS = 100 };

fallible courier_open(struct connections *connections, const struct courier_settings *settings,
                      const struct world *world, struct courier *out)
{
    struct courier_credential *credentials = calloc(CONNECTIONS_MAX, sizeof *credentials);
    REQUIRE(credentials != NULL, NO_MEMORY, "courier.memory");
    *out = (struct courier){
        .connections = connections, .settings = *settings, .world = world, .credentials = credentials};
    pthread_mutex_init(&out->mutex, NULL);
    return OK;
}

void courier_close(struct courier *courier)
{
    if (courier->credentials != NULL) {
        wipe(courier->credentials, CONNECTIONS_MAX * sizeof *courier->credentials);
        free(courier->credentials);
        pthread_mutex_destroy(&courier->mutex);
        *courier = (struct courier){0};
    }
}

void courier_session_close(struct courier_session *session)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (session->clients[i].handle != NULL) {
            http_client_close(&session->clients[i]);
        }
    }
    *session = (struct courier_session){0};
}

static fallible open_client(struct courier_session *session, size_t index)
{
    if (session->clients[index].handle != NULL) {
        return OK;
    }
    const struct connection *connection = &session->courier->connections->rows[index];
    struct http_client_options options = {.ca_pem = connection->ca,
                                          .system_store = connection->ca.size == 0,
                                          .environment_proxy = connection->ca.size == 0,
                                          .user_agent = "truce-host"};
    return http_client_open(&options, &session->clients[index]);
}

static bool is_stopping(const struct courier_session *session)
{
    return session->is_stopping != NULL && session->is_stopping(session->self);
}

static void pause_ms(const struct courier_session *session, int64_t ms)
{
    for (int64_t left = ms; left > 0 && !is_stopping(session); left -= PAUSE_SLICE_MS) {
        int64_t slice = left < PAUSE_SLICE_MS ? left : PAUSE_SLICE_MS;
        nanosleep(&(struct timespec){.tv_nsec = slice * 1000000}, NULL);
    }
}

/* Retry-After in seconds, where there is one; within our own bounds. */
static int64_t pause_for(const struct courier_session *session, const struct http_answer *answer,
                         int64_t attempt)
{
    const struct courier_settings *settings = &session->courier->settings;
    int64_t ms = settings->pause_ms << (attempt < 16 ? attempt - 1 : 15);
    uint64_t seconds;
    struct text retry_after = http_answer_header(answer, "retry-after");
    if (result_is_ok(decode_u64(retry_after, 3600, &seconds)) && (int64_t)seconds * 1000 > ms) {
        ms = (int64_t)seconds * 1000;
    }
    return ms < settings->pause_ms_max ? ms : settings->pause_ms_max;
}

static bool may_repeat(struct result result, const struct http_answer *answer)
{
    if (!result_is_ok(result)) {
        return result_code_may_retry(result.code);
    }
    return answer->status == 408 || answer->status == 429 || answer->status >= 500;
}

fallible courier_call(struct courier_session *session, size_t connection, struct arena *arena,
                      const struct http_call *call, struct http_answer *out)
{
    TRY(open_client(session, connection));
    for (int64_t attempt = 1;; attempt++) {
        REQUIRE(!is_stopping(session), UNAVAILABLE, "courier.stopping");
        struct http_answer answer = {0};
        session->calls++;
        struct result result = http_client_call(&session->clients[connection], arena, call, &answer);
        if (!may_repeat(result, &answer) || attempt >= session->courier->settings.attempts_max) {
            *out = answer;
            return result;
        }
        pause_ms(session, pause_for(session, &answer, attempt));
    }
}
