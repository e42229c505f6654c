#include "service/vault/release_log.h"

#include "base/encode.h"
#include "service/http/percent.h"
#include "service/vault/request.h"

static const char log_table[] = "release";

/* Rows are numbered in order of time; twenty digits sort by octets. */
static fallible next_row(struct state_transaction *transaction, struct arena *arena, struct text *out)
{
    scoped_json *counter = NULL;
    uint64_t number = 0;
    struct result result = state_get_json(transaction, "counter", TEXT("release"), &counter);
    if (result_is_ok(result)) {
        TRY(json_get_u64(counter, "next", INT64_MAX - 1, &number));
    } else if (result.code != RESULT_NOT_FOUND) {
        return result;
    }
    scoped_json *next = json_object();
    TRY(json_set_i64(next, "next", (int64_t)number + 1));
    TRY(state_put_json(transaction, "counter", TEXT("release"), next));
    return arena_printf(arena, out, "%020llu", (unsigned long long)number);
}

static fallible note_digest(const json_t *runtime, const char *name, json_t *entry)
{
    struct text text;
    struct digest digest;
    bool is_digest =
        result_is_ok(json_get_text(runtime, name, &text)) && result_is_ok(digest_from_text(text, &digest));
    return is_digest ? json_set_text(entry, name, text) : OK;
}

fallible release_log_add(struct state_transaction *transaction, struct arena *arena,
                         const struct vault *vault, const struct http_request *request,
                         const struct key_record *record, struct text issuer, const json_t *verified_claims)
{
    const struct vault_call *call = vault_call_of(request);
    const json_t *runtime = json_object_get(verified_claims, "x-ms-runtime");
    scoped_json *entry = json_object();
    struct text row;
    TRY(next_row(transaction, arena, &row));
    TRY(json_set_time(entry, "time", world_now(vault->world)));
    TRY(json_set_text(entry, "key", record->name));
    TRY(json_set_text(entry, "version", record->version));
    TRY(json_set_text(entry, "caller", call->principal.object));
    TRY(json_set_text(entry, "application", call->principal.application));
    TRY(json_set_text(entry, "address", request->peer));
    TRY(json_set_text(entry, "request_id", request->id));
    TRY(json_set_text(entry, "authority", issuer));
    TRY(note_digest(runtime, "contract", entry));
    TRY(note_digest(runtime, "run_request", entry));
    return state_add_json(transaction, log_table, row, entry);
}

static bool is_wanted(const json_t *entry, struct text key, struct text version)
{
    struct text text;
    bool key_fits =
        key.size == 0 || (result_is_ok(json_get_text(entry, "key", &text)) && text_equal(text, key));
    return key_fits && (version.size == 0 ||
                        (result_is_ok(json_get_text(entry, "version", &text)) && text_equal(text, version)));
}

static fallible reply_releases(struct vault *vault, struct http_request *request, struct http_reply *reply,
                               json_t *entries, struct text next)
{
    scoped_json *body = json_object();
    TRY(json_set(body, "value", json_incref(entries)));
    if (next.size > 0) {
        struct text link;
        struct text key;
        struct text version;
        TRY(percent_encode(request->arena, http_query(request, "key"), &key));
        TRY(percent_encode(request->arena, http_query(request, "version"), &version));
        TRY(arena_printf(request->arena, &link, "%.*s/truce/releases?key=%.*s&version=%.*s&after=%.*s",
                         TEXT_ARGS(vault->url), TEXT_ARGS(key), TEXT_ARGS(version), TEXT_ARGS(next)));
        TRY(json_set_text(body, "nextLink", link));
    } else {
        TRY(json_set(body, "nextLink", json_null()));
    }
    TRY(vault_headers(request, reply));
    return reply_json(request, reply, 200, body);
}

fallible vault_releases_list(void *self, struct http_request *request, struct http_reply *reply)
{
    struct vault *vault = self;
    scoped_state_transaction transaction = {0};
    scoped_json *entries = json_array();
    struct text rows[VAULT_RELEASES_PAGE_COUNT];
    struct text after = http_query(request, "after");
    size_t count;
    REQUIRE(after.size <= 20, INVALID, "vault.request.after");
    TRY(state_begin(vault->state, &transaction));
    TRY(state_list(&transaction, request->arena, log_table, (struct text){0}, after,
                   VAULT_RELEASES_PAGE_COUNT, rows, &count));
    for (size_t i = 0; i < count; i++) {
        scoped_json *entry = NULL;
        TRY(state_get_json(&transaction, log_table, rows[i], &entry));
        if (is_wanted(entry, http_query(request, "key"), http_query(request, "version"))) {
            TRY(json_add(entries, json_incref(entry)));
        }
    }
    bool is_full = count == VAULT_RELEASES_PAGE_COUNT;
    return reply_releases(vault, request, reply, entries, is_full ? rows[count - 1] : (struct text){0});
}
