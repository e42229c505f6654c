#include "contract/contract.h"

fallible contract_explain_digest(struct arena *arena, const struct contract *contract, struct digest *out)
{
    struct text text;
    TRY(contract_explain(arena, contract, &text));
    *out = digest_of(bytes_of_text(text));
    return OK;
}

fallible contract_build_header(struct arena *arena, const struct contract *contract,
                               const struct digest *grant, json_t **out)
{
    struct digest explain;
    TRY(contract_explain_digest(arena, contract, &explain));
    scoped_json *header = json_object();
    REQUIRE(header != NULL, NO_MEMORY, "json.memory");
    TRY(document_set_digest(header, "explain", &explain));
    if (grant != NULL) {
        TRY(document_set_digest(header, "grant", grant));
    }
    *out = json_incref(header);
    return OK;
}

static fallible verify_party(const struct contract *contract, const struct contract_party *party,
                             const struct digest *explain)
{
    REQUIRE(party->is_signed, NOT_FOUND, "contract.signature.missing");
    TRY(jws_verify(&contract->document, party->signature, &party->signing));
    REQUIRE(digest_equal(&party->explain, explain), UNTRUSTED, "contract.signature.explain");
    REQUIRE(party->has_grant || !party->is_owner, UNTRUSTED, "contract.signature.grant_missing");
    REQUIRE(!party->has_grant || party->is_owner, UNTRUSTED, "contract.signature.grant_unexpected");
    return OK;
}

fallible contract_verify_signature(struct arena *arena, const struct contract *contract, size_t party)
{
    REQUIRE(party < contract->party_count, NOT_FOUND, "contract.party.unknown");
    struct digest explain;
    TRY(contract_explain_digest(arena, contract, &explain));
    return result_at(verify_party(contract, &contract->parties[party], &explain),
                     contract->parties[party].name.data);
}

static fallible check_known(const struct contract_party *party, const struct contract_known_party known[],
                            size_t known_count)
{
    for (size_t i = 0; i < known_count; i++) {
        if (text_equal(known[i].name, party->name)) {
            bool same = digest_equal(&known[i].fingerprint, &party->fingerprint);
            return same ? OK : FAIL_AT(UNTRUSTED, "contract.party.fingerprint", party->name.data);
        }
    }
    return FAIL_AT(UNTRUSTED, "contract.party.not_known", party->name.data);
}

fallible contract_check_known(const struct contract *contract, const struct contract_known_party known[],
                              size_t known_count)
{
    for (size_t i = 0; i < contract->party_count; i++) {
        TRY(check_known(&contract->parties[i], known, known_count));
    }
    return OK;
}

/* With as many signatures as parties, one by each, nobody else can have signed. */
static fallible refuse_strangers(struct arena *arena, const struct contract *contract)
{
    for (size_t i = 0; i < contract->document.signature_count; i++) {
        bool known = false;
        for (size_t j = 0; !known && j < contract->party_count; j++) {
            known = contract->parties[j].is_signed && contract->parties[j].signature == i;
        }
        REQUIRE_AT(known, UNTRUSTED, "contract.signature.stranger", arena_where(arena, "signatures[%zu]", i));
    }
    return OK;
}

static fallible verify_all(struct arena *arena, const struct contract *contract, const struct digest *explain)
{
    TRY(refuse_strangers(arena, contract));
    for (size_t i = 0; i < contract->party_count; i++) {
        TRY(result_at(verify_party(contract, &contract->parties[i], explain),
                      contract->parties[i].name.data));
    }
    return OK;
}

fallible contract_verify(struct arena *arena, const struct contract *contract,
                         const struct contract_known_party known[], size_t known_count)
{
    struct digest explain;
    TRY(contract_explain_digest(arena, contract, &explain));
    if (known != NULL) {
        TRY(contract_check_known(contract, known, known_count));
    }
    return verify_all(arena, contract, &explain);
}

fallible contract_verify_unexplained(struct arena *arena, const struct contract *contract)
{
    return verify_all(arena, contract, &contract->parties[0].explain);
}
