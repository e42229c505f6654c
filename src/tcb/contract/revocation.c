#include "contract/revocation.h"

static const char *const members[] = {"type", "contract", "party", "time", NULL};

static fallible read_revocation(struct revocation *revocation)
{
    const json_t *content = revocation->document.content;
    TRY(document_get_digest(content, "contract", &revocation->contract));
    TRY(document_get_name(content, "party", &revocation->party));
    return json_get_time(content, "time", &revocation->time);
}

fallible revocation_parse(struct arena *arena, struct bytes untrusted_bytes, struct revocation *out)
{
    scoped_revocation revocation = {0};
    TRY(document_parse(arena, untrusted_bytes, REVOCATION_TYP, NULL, "revocation/1", members,
                       &revocation.document));
    TRY(read_revocation(&revocation));
    *out = revocation;
    revocation = (struct revocation){0};
    return OK;
}

void revocation_release(struct revocation *revocation)
{
    jws_release(&revocation->document);
    *revocation = (struct revocation){0};
}

fallible revocation_build(const struct revocation *revocation, json_t **out)
{
    scoped_json *object = NULL;
    TRY(document_begin("revocation/1", &object));
    TRY(document_set_digest(object, "contract", &revocation->contract));
    TRY(json_set_text(object, "party", revocation->party));
    TRY(json_set_time(object, "time", revocation->time));
    *out = json_incref(object);
    return OK;
}

fallible revocation_verify(const struct revocation *revocation, const struct contract *contract)
{
    REQUIRE(digest_equal(&revocation->contract, &contract->document.digest), UNTRUSTED,
            "revocation.contract");
    size_t party;
    REQUIRE(result_is_ok(contract_find_party(contract, revocation->party, &party)), DENIED,
            "revocation.party");
    return document_verify_only(&revocation->document, &contract->parties[party].signing);
}
