#include "host/workflow/workflow.h"

#include "host/workflow/handlers.h"

enum { DOCUMENT_BYTES_MAX = JWS_SIZE_MAX, REQUEST_BYTES_MAX = 2 * 1024 * 1024 };
#define PART_BYTES_MAX ((uint64_t)1 << 40)

void workflow_init(struct workflow *workflow, struct text token)
{
    workflow->token = digest_of(bytes_of_text(token));
    pthread_mutex_init(&workflow->contract_mutex, NULL);
}

void workflow_release(struct workflow *workflow)
{
    pthread_mutex_destroy(&workflow->contract_mutex);
}

static HANDLER(admit)
{
    struct workflow *workflow = self;
    struct text bearer = http_bearer(request);
    struct digest digest = digest_of(bytes_of_text(bearer));
    if (bearer.size == 0 || !digest_equal(&digest, &workflow->token)) {
        TRY(reply_header(request, reply, "WWW-Authenticate", TEXT("Bearer")));
        return FAIL(UNAUTHENTICATED, "workflow.token");
    }
    return OK;
}

static HANDLER(admit_part)
{
    TRY(admit(self, request, reply));
    return workflow_admit_part(self, request, reply);
}

static HANDLER(get_description)
{
    (void)self;
    return reply_bytes(request, reply, 200, "application/json", workflow_description());
}

static HANDLER(get_health)
{
    struct workflow *workflow = self;
    int64_t queued;
    int64_t running;
    TRY(queue_counts(workflow->queue, &queued, &running));
    scoped_json *value = json_object();
    TRY(json_set_text(value, "status", TEXT("ok")));
    TRY(json_set_i64(value, "rooms", (int64_t)scheduler_room_count(workflow->scheduler)));
    TRY(json_set_i64(value, "queued", queued));
    TRY(json_set_i64(value, "running", running));
    return reply_json(request, reply, 200, value);
}

static HANDLER(get_rooms)
{
    struct workflow *workflow = self;
    json_t *rooms;
    TRY(scheduler_rooms(workflow->scheduler, &rooms));
    scoped_json *value = json_object();
    TRY(json_set(value, "rooms", rooms));
    return reply_json(request, reply, 200, value);
}

#define DATASET "/v1/datasets/{owner}/{name}/{version}"
#define PART DATASET "/parts/{part}"
#define CONTRACT "/v1/contracts/{contract}"

#define GET_ROW(path, handler)                                                                               \
    {                                                                                                        \
        HTTP_GET, path, .admit = admit, .handle = handler                                                    \
    }
#define PUT_ROW(path, handler)                                                                               \
    {                                                                                                        \
        HTTP_PUT, path, .body_bytes_max = DOCUMENT_BYTES_MAX, .admit = admit, .handle = handler              \
    }
#define POST_ROW(path, handler)                                                                              \
    {                                                                                                        \
        HTTP_POST, path, .body_bytes_max = REQUEST_BYTES_MAX, .admit = admit, .handle = handler              \
    }
#define PART_ROWS(path, kind)                                                                                \
    {HTTP_PUT,                                                                                               \
     path,                                                                                                   \
     .body_bytes_max = PART_BYTES_MAX,                                                                       \
     .admit = admit_part,                                                                                    \
     .receive = workflow_receive_part,                                                                       \
     .handle = workflow_put_part,                                                                            \
     .tag = kind},                                                                                           \
        {HTTP_HEAD, path, .admit = admit, .handle = workflow_head_part, .tag = kind},                        \
    {                                                                                                        \
        HTTP_GET, path, .admit = admit, .handle = workflow_get_part, .tag = kind                             \
    }

static const struct http_route routes[] = {
    {HTTP_GET, "/v1/openapi.json", .handle = get_description},
    GET_ROW("/v1/health", get_health),
    GET_ROW("/v1/rooms", get_rooms),
    PUT_ROW(DATASET "/manifest", workflow_put_manifest),
    GET_ROW(DATASET "/manifest", workflow_get_manifest),
    PUT_ROW(DATASET "/policy", workflow_put_policy),
    GET_ROW(DATASET "/policy", workflow_get_policy),
    PART_ROWS(PART "/sealed", PART_SEALED),
    PART_ROWS(PART "/leaves", PART_LEAVES),
    GET_ROW("/v1/contracts", workflow_list_contracts),
    PUT_ROW(CONTRACT, workflow_put_contract),
    GET_ROW(CONTRACT, workflow_get_contract),
    PUT_ROW(CONTRACT "/grants/{owner}", workflow_put_grant),
    GET_ROW(CONTRACT "/grants/{owner}", workflow_get_grant),
    GET_ROW(CONTRACT "/keys/{owner}/{name}", workflow_get_newest_key_update),
    PUT_ROW(CONTRACT "/keys/{owner}/{name}/{version}", workflow_put_key_update),
    GET_ROW(CONTRACT "/keys/{owner}/{name}/{version}", workflow_get_key_update),
    POST_ROW(CONTRACT "/revocations", workflow_post_revocation),
    POST_ROW("/v1/jobs", workflow_post_job),
    GET_ROW("/v1/jobs", workflow_list_jobs),
    GET_ROW("/v1/jobs/{run}", workflow_get_job),
    GET_ROW("/v1/jobs/{run}/result", workflow_get_result),
    GET_ROW("/v1/jobs/{run}/receipt", workflow_get_receipt),
};

const struct http_route *workflow_routes(size_t *out_count)
{
    *out_count = sizeof routes / sizeof *routes;
    return routes;
}

void workflow_done(void *self, const struct http_request *request, const struct http_reply *reply,
                   int64_t duration_ms)
{
    struct workflow *workflow = self;
    log_event(workflow->log, "http", LOG_WORD("method", http_method_name(request->method)),
              LOG_WORD("route", request->route == NULL ? "-" : request->route->pattern),
              LOG_NUMBER("status", reply->status), LOG_NUMBER("ms", duration_ms),
              LOG_NUMBER("bytes", (int64_t)request->body_bytes),
              LOG_WORD("failure",
                       result_is_ok(reply->failure) || reply->failure.why == NULL ? "-" : reply->failure.why),
              LOG_TEXT("request", request->id));
}
