#include "service/vault/release_once.h"

static const char once_table[] = "run";

static fallible row_of(struct arena *arena, const struct key_record *record, const struct digest *run_request,
                       struct text *out)
{
    struct text key;
    struct text digest;
    TRY(key_row_name(arena, record->name, record->version, &key));
    TRY(digest_to_text(arena, run_request, &digest));
    return arena_printf(arena, out, "%.*s/%.*s", TEXT_ARGS(key), TEXT_ARGS(digest));
}

static fallible attempt_of(struct arena *arena, const json_t *runtime, struct text *out)
{
    struct text octets;
    TRY(json_encode_text(arena, runtime, &octets)); /* canonical: one form per content */
    struct digest digest = digest_of(bytes_of_text(octets));
    return digest_to_text(arena, &digest, out);
}

fallible release_once(struct state_transaction *transaction, struct arena *arena,
                      const struct key_record *record, const json_t *verified_claims)
{
    const json_t *runtime = json_object_get(verified_claims, "x-ms-runtime");
    scoped_json *noted = NULL;
    struct digest run_request;
    struct text text;
    struct text row;
    struct text attempt;
    if (!json_has(runtime, "run_request")) {
        return OK;
    }
    TRY(json_get_text(runtime, "run_request", &text));
    TRY(digest_from_text(text, &run_request));
    TRY(row_of(arena, record, &run_request, &row));
    TRY(attempt_of(arena, runtime, &attempt));
    struct result result = state_get_json(transaction, once_table, row, &noted);
    if (result_is_ok(result)) {
        TRY(json_get_text(noted, "attempt", &text));
        REQUIRE(text_equal(text, attempt), CONFLICT, "vault.release.run_used");
        return OK;
    }
    REQUIRE(result.code == RESULT_NOT_FOUND, CORRUPT, "vault.release.run_row");
    scoped_json *entry = json_object();
    TRY(json_set_text(entry, "attempt", attempt));
    return state_add_json(transaction, once_table, row, entry);
}
