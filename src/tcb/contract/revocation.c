#include "contract/revocation.h"

static const struct document_member members[] = {
    MEMBER_OTHERS("type"),
    MEMBER(revocation, DIGEST, contract),
    MEMBER(revocation, NAME, party),
    MEMBER(revocation, TIME, time),
    {0},
};

static const struct document_kind kind = {
    REVOCATION_TYP, "revocation/1", NULL, members, sizeof(struct revocation), NULL, NULL,
};

fallible revocation_parse(struct arena *arena, struct bytes untrusted_bytes, struct revocation *out)
{
    return document_parse(arena, untrusted_bytes, &kind, out);
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
