#include "receipt/judging.h"

#include "attest/x5c.h"
#include "base/encode.h"

static struct result at_party(struct judging *judging, struct result result, struct text party)
{
    if (!result_is_ok(result)) {
        result.where = arena_where(judging->arena, "token of %.*s", TEXT_ARGS(party));
    }
    return result;
}

static fallible read_token(struct judging *judging, size_t index, const json_t *row)
{
    static const char *const members[] = {"party", "issuer", "token", "jwks", NULL};
    struct receipt_token *token = &judging->tokens[index];
    TRY(json_only(judging->arena, row, members));
    TRY(json_get_text(row, "party", &token->party));
    TRY(json_get_text(row, "issuer", &token->issuer));
    TRY(json_get_text(row, "token", &token->token));
    return json_get_object(row, "jwks", &token->jwks);
}

/* The authority as the contract has it for this party. */
static fallible contract_authority_of(struct judging *judging, const struct receipt_token *token,
                                      struct token_authority *out)
{
    const struct contract *contract = &judging->documents.contract;
    for (size_t i = 0; i < contract->authority_count; i++) {
        const struct contract_authority *authority = &contract->authorities[i];
        if (!text_equal(contract->parties[authority->party].name, token->party) ||
            !token_issuer_equal(authority->issuer, token->issuer)) {
            continue;
        }
        REQUIRE(authority->key_count <= TOKEN_AUTHORITY_KEYS_MAX, LIMIT, "receipt.authority.keys");
        *out = (struct token_authority){.issuer = authority->issuer, .key_count = authority->key_count};
        memcpy(out->keys, authority->keys, authority->key_count * sizeof *out->keys);
        return encode_base64url(judging->arena, digest_view(&authority->policy_hash), &out->policy_hash);
    }
    return FAIL(UNTRUSTED, "receipt.authority.not_in_contract");
}

static fallible trusted_authority_of(const struct receipt_trust *trust, const struct receipt_token *token,
                                     const struct token_authority **out)
{
    for (size_t i = 0; i < trust->authority_count; i++) {
        if (token_issuer_equal(trust->authorities[i].issuer, token->issuer)) {
            *out = &trust->authorities[i];
            return OK;
        }
    }
    return FAIL(UNTRUSTED, "receipt.authority.not_trusted");
}

/* Twice: the signers agreed on an authority and its keys, and the verifier believes the same ones. */
static fallible verify_token(struct judging *judging, const struct receipt_token *token, json_t **out_claims)
{
    struct text jwks, nonce;
    scoped_jwt_keys keys = {0};
    struct token_authority agreed;
    const struct token_authority *trusted;
    TRY(contract_authority_of(judging, token, &agreed));
    TRY(trusted_authority_of(judging->trust, token, &trusted));
    TRY(json_encode_text(judging->arena, token->jwks, &jwks));
    TRY(x5c_keys_from_jwks(judging->arena, bytes_of_text(jwks), &keys));
    TRY(encode_base64url(judging->arena, BYTES_OF(judging->runtime.nonce), &nonce));
    struct token_demand demand = {.without_clock = true, .nonce = nonce};
    scoped_json *again = NULL;
    TRY(token_verify(judging->arena, token->token, &keys, trusted, &demand, &again));
    TRY(token_verify(judging->arena, token->token, &keys, &agreed, &demand, out_claims));
    int64_t issued;
    TRY(token_issued_at(*out_claims, &issued));
    judging->released = issued > judging->released ? issued : judging->released;
    return OK;
}

/* Whose data the query does not read has released nothing and was not asked. */
static fallible require_every_owner(struct judging *judging)
{
    const struct contract *contract = &judging->documents.contract;
    const struct contract_query *query = &contract->queries[judging->documents.query];
    for (size_t i = 0; i < query->read_count; i++) {
        struct text owner = contract->parties[contract->datasets[query->reads[i].dataset].owner].name;
        bool has_token = false;
        for (size_t j = 0; j < judging->token_count; j++) {
            has_token = has_token || text_equal(judging->tokens[j].party, owner);
        }
        if (!has_token) {
            return at_party(judging, FAIL(UNTRUSTED, "receipt.token.missing"), owner);
        }
    }
    return OK;
}

fallible judging_check_tokens(struct judging *judging)
{
    json_t *list;
    TRY(json_get_array(judging->json, "tokens", &list));
    REQUIRE(json_array_size(list) <= JUDGING_TOKENS_MAX, LIMIT, "receipt.tokens");
    for (size_t i = 0; i < json_array_size(list); i++) {
        judging->token_count = i + 1;
        TRY(read_token(judging, i, json_array_get(list, i)));
        TRY(at_party(judging, verify_token(judging, &judging->tokens[i], &judging->claims[i]),
                     judging->tokens[i].party));
    }
    TRY(require_every_owner(judging));
    for (size_t i = 0; i < judging->token_count; i++) {
        struct result times = token_check_times(judging->claims[i], judging->released, TOKEN_SKEW_SECONDS);
        TRY(at_party(judging, times, judging->tokens[i].party));
    }
    return OK;
}

/* The token's claims about the report are the ones that the raw evidence gives. */
static fallible compare_claims(const struct judging *judging, const json_t *claims)
{
    TRY(token_check_runtime(claims, judging->runtime_octets));
    const char *name;
    json_t *value;
    json_object_foreach (judging->judgement.claims, name, value) {
        const json_t *claimed = json_object_get(claims, name);
        REQUIRE(claimed != NULL && json_equal(claimed, value), UNTRUSTED, "receipt.token.evidence");
    }
    return OK;
}

fallible judging_check_claims(const struct judging *judging)
{
    for (size_t i = 0; i < judging->token_count; i++) {
        struct result result = compare_claims(judging, judging->claims[i]);
        TRY(at_party((struct judging *)judging, result, judging->tokens[i].party));
    }
    return OK;
}
