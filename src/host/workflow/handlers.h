/* workflow/handlers.h: what the route table refers to; private to this module. */
#pragma once

#include "contract/grant.h"
#include "contract/manifest.h"
#include "contract/revocation.h"
#include "contract/run_request.h"
#include "host/workflow/workflow.h"

#define HANDLER(name) fallible name(void *self, struct http_request *request, struct http_reply *reply)

/* datasets.c */
HANDLER(workflow_put_manifest);
HANDLER(workflow_get_manifest);
HANDLER(workflow_put_policy);
HANDLER(workflow_get_policy);

/* parts.c; `tag` of the route says which */
enum { PART_SEALED = 1, PART_LEAVES };
HANDLER(workflow_admit_part);
fallible workflow_receive_part(void *self, struct http_request *request, struct bytes untrusted_piece);
HANDLER(workflow_put_part);
HANDLER(workflow_get_part);
HANDLER(workflow_head_part);

/* contracts.c */
HANDLER(workflow_list_contracts);
HANDLER(workflow_put_contract);
HANDLER(workflow_get_contract);
HANDLER(workflow_put_grant);
HANDLER(workflow_get_grant);
HANDLER(workflow_put_key_update);
HANDLER(workflow_get_key_update);
HANDLER(workflow_get_newest_key_update);
HANDLER(workflow_post_revocation);

/* jobs.c */
HANDLER(workflow_post_job);
HANDLER(workflow_list_jobs);
HANDLER(workflow_get_job);
HANDLER(workflow_get_result);
HANDLER(workflow_get_receipt);

/* documents.c: for the others */
/* The documents of one request. What fails may name something in them, so they must outlive the failure. */
struct workflow_documents {
    struct manifest manifest;
    struct policy policy;
    struct contract contract;
    struct grant grant;
    struct key_update key_update;
    struct revocation revocation;
    struct run_request run;
};
/* Calls `handle` with empty documents and releases them, after `where` of a failure was copied to the arena.
 */
fallible workflow_with_documents(fallible (*handle)(struct workflow *, struct http_request *,
                                                    struct http_reply *, struct workflow_documents *),
                                 void *self, struct http_request *request, struct http_reply *reply);
#define DOCUMENT_HANDLER(name, handle)                                                                       \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        return workflow_with_documents(handle, self, request, reply);                                        \
    }
/* Sends a stored object as it is. */
fallible workflow_send_object(struct workflow *workflow, struct http_request *request,
                              struct http_reply *reply, const struct storage_path *path,
                              const char *content_type);
/* 201 {"digest"} for what is new, 200 for what was there. */
fallible workflow_reply_stored(struct http_request *request, struct http_reply *reply,
                               const struct digest *digest, bool is_new);
/* The contract of the digest in hex. NOT_FOUND "workflow.contract.missing". */
fallible workflow_load_contract(struct workflow *workflow, struct arena *arena, struct text untrusted_hex,
                                struct contract *out);
/* Content-addressed copy of a document, beside its own place. */
fallible workflow_keep_document(struct workflow *workflow, struct arena *arena, const struct digest *digest,
                                struct bytes octets);
/* 64 hex digits, as in paths. */
fallible workflow_hex_of(struct arena *arena, const struct digest *digest, struct text *out);
