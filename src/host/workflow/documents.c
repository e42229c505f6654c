#include "base/encode.h"
#include "host/workflow/handlers.h"

static void release(struct workflow_documents *documents)
{
    manifest_release(&documents->manifest);
    policy_release(&documents->policy);
    contract_release(&documents->contract);
    grant_release(&documents->grant);
    key_update_release(&documents->key_update);
    revocation_release(&documents->revocation);
    run_request_release(&documents->run);
}

static struct result with_own_where(struct arena *arena, struct result result)
{
    result.where = result.where == NULL ? NULL : arena_where(arena, "%s", result.where);
    return result;
}

fallible workflow_with_documents(fallible (*handle)(struct workflow *, struct http_request *,
                                                    struct http_reply *, struct workflow_documents *),
                                 void *self, struct http_request *request, struct http_reply *reply)
{
    defer(release) struct workflow_documents documents = {0};
    return with_own_where(request->arena, handle(self, request, reply, &documents));
}

fallible workflow_hex_of(struct arena *arena, const struct digest *digest, struct text *out)
{
    return encode_hex(arena, digest_view(digest), out);
}

fallible workflow_send_object(struct workflow *workflow, struct http_request *request,
                              struct http_reply *reply, const struct storage_path *path,
                              const char *content_type)
{
    int file;
    uint64_t size;
    TRY(storage_read(workflow->storage, path, &file, &size));
    return reply_file(request, reply, 200, content_type, file, 0, size);
}

fallible workflow_reply_stored(struct http_request *request, struct http_reply *reply,
                               const struct digest *digest, bool is_new)
{
    struct text text;
    TRY(digest_to_text(request->arena, digest, &text));
    scoped_json *value = json_object();
    TRY(json_set_text(value, "digest", text));
    return reply_json(request, reply, is_new ? 201 : 200, value);
}

fallible workflow_load_contract(struct workflow *workflow, struct arena *arena, struct text untrusted_hex,
                                struct contract *out)
{
    struct storage_path path;
    TRY(storage_path_contract(untrusted_hex, &path));
    scoped_buffer octets;
    buffer_init(&octets, JWS_SIZE_MAX);
    struct result result = storage_get(workflow->storage, &path, &octets);
    REQUIRE(result.code != RESULT_NOT_FOUND, NOT_FOUND, "workflow.contract.missing");
    TRY(result);
    struct bytes copy;
    TRY(arena_copy(arena, buffer_view(&octets), &copy));
    return contract_parse(arena, copy, out);
}

fallible workflow_keep_document(struct workflow *workflow, struct arena *arena, const struct digest *digest,
                                struct bytes octets)
{
    struct text hex;
    TRY(workflow_hex_of(arena, digest, &hex));
    struct storage_path path;
    TRY(storage_path_document(hex, &path));
    bool is_new;
    return storage_put(workflow->storage, &path, octets, STORAGE_REPLACE, &is_new);
}
