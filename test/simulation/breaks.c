#include "breaks.h"

#include "attest/release_policy.h"
#include "jose/jwe.h"
#include "receipt/verify.h"
#include "room/data.h"
#include "service/vault/release_once.h"

static enum mutation current;

const char *const mutation_names[MUTATIONS] = {"none",        "plain-result", "second-release", "any-code",
                                               "any-querier", "any-receipt",  "wide-grant"};

void breaks_set(enum mutation mutation)
{
    current = mutation;
}

#define WRAP(type, name, parameters, arguments, mutation, otherwise)                                         \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters                                                                            \
    {                                                                                                        \
        if (current == (mutation)) {                                                                         \
            otherwise;                                                                                       \
        }                                                                                                    \
        return __real_##name arguments;                                                                      \
    }

WRAP(fallible, jwe_encrypt,
     (const struct world *world, const char *typ, struct bytes plaintext, const struct key recipients[],
      size_t recipient_count, struct buffer *out),
     (world, typ, plaintext, recipients, recipient_count, out), MUTATION_PLAIN_RESULT,
     return buffer_add(out, plaintext))

WRAP(fallible, release_once,
     (struct state_transaction * transaction, struct arena *arena, const struct key_record *record,
      const json_t *verified_claims),
     (transaction, arena, record, verified_claims), MUTATION_SECOND_RELEASE, return OK)

WRAP(struct release_decision, release_policy_evaluate,
     (const struct release_policy *policy, struct text issuer, const json_t *verified_claims),
     (policy, issuer, verified_claims), MUTATION_ANY_CODE,
     return ((struct release_decision){.verdict = VERDICT_ALLOW, .why = "mutation"}))

WRAP(fallible, run_request_verify,
     (struct arena * arena, const struct run_request *request, const struct contract *contract,
      size_t *out_query),
     (arena, request, contract, out_query), MUTATION_ANY_QUERIER, *out_query = 0;
     return OK)

WRAP(fallible, receipt_verify,
     (struct arena * arena, struct bytes untrusted_bundle, const struct receipt_trust *trust,
      const struct receipt_verification *how, json_t **out_report),
     (arena, untrusted_bundle, trust, how, out_report), MUTATION_ANY_RECEIPT, *out_report = json_object();
     return OK)

fallible __real_data_add_table(struct arena *arena, struct data *data, struct text name,
                               const struct manifest *manifest, const struct text columns[],
                               size_t column_count);
fallible __wrap_data_add_table(struct arena *arena, struct data *data, struct text name,
                               const struct manifest *manifest, const struct text columns[],
                               size_t column_count);
fallible __wrap_data_add_table(struct arena *arena, struct data *data, struct text name,
                               const struct manifest *manifest, const struct text columns[],
                               size_t column_count)
{
    static const struct text all[] = {TEXT("id"), TEXT("private")};
    bool is_wide = current == MUTATION_WIDE_GRANT;
    return __real_data_add_table(arena, data, name, manifest, is_wide ? all : columns,
                                 is_wide ? 2 : column_count);
}
