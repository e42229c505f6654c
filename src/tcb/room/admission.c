/* The room believes nothing of a job but what the documents' signatures and digests bear out. It has no
 * address book: the contract is authentic because each owner's vault releases its key for this contract's
 * digest only. */
#include "room/job.h"

#include "jose/jwe.h"

static fallible check_this_room(const struct job *job)
{
    const struct contract *contract = &job->bundle->contract;
    for (size_t i = 0; i < contract->tee_count; i++) {
        const struct contract_tee *tee = &contract->tees[i];
        if (text_is(tee->type, job->room->tee->family->name) &&
            bytes_equal(tee->measurement, job->room->measurement)) {
            return OK;
        }
    }
    return FAIL(DENIED, "room.not_accepted_by_contract");
}

static fallible open_sealed_parameters(struct job *job, struct buffer *out)
{
    const struct run_request *request = &job->bundle->run_request;
    if (request->sealed_parameters.size == 0) {
        return OK;
    }
    return jwe_decrypt(&job->arena, bytes_of_text(request->sealed_parameters), RUN_PARAMETERS_TYP,
                       &job->room->instance_key, out);
}

fallible job_admit(struct job *job, struct bytes untrusted_documents)
{
    TRY(json_decode(untrusted_documents, &job->documents));
    static const char *const members[] = {"contract",    "grants",      "manifests", "policies",
                                          "key_updates", "run_request", NULL};
    TRY(json_only(&job->arena, job->documents, members));
    struct bundle *bundle;
    TRY(ARENA_NEW(&job->arena, struct bundle, &bundle));
    TRY(bundle_parse(&job->arena, job->documents, bundle));
    job->bundle = bundle;
    REQUIRE(bundle->has_run_request, INVALID, "room.no_run_request");
    TRY(bundle_verify_unexplained(&job->arena, bundle));
    job->query = &bundle->contract.queries[bundle->query];
    TRY(check_this_room(job));

    scoped_buffer parameters;
    buffer_init(&parameters, RUN_SEALED_BYTES_MAX);
    TRY(open_sealed_parameters(job, &parameters));
    struct result result = run_request_values(&job->arena, &bundle->run_request, job->query,
                                              buffer_view(&parameters), &job->values);
    wipe(parameters.data, parameters.size);
    return result;
}
