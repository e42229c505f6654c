/* Writes the seeds of the fuzz corpora: contract-seeds test/corpus. Run by hand when a format changes. */
#include "contract/contract_test_set.h"
#include "contract/party_card.h"
#include "contract/revocation.h"
#include "privacy/result_frame.h"

#include <stdio.h>
#include <stdlib.h>

static void write_file(const char *folder, const char *corpus, const char *name, struct bytes bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/%s", folder, corpus, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes.data, 1, bytes.size, file) != bytes.size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void write_json(const char *folder, const char *corpus, const char *name, const json_t *value)
{
    scoped_buffer buffer;
    buffer_init(&buffer, JSON_SIZE_MAX);
    ASSERT(result_is_ok(json_encode(value, &buffer)));
    write_file(folder, corpus, name, buffer_view(&buffer));
}

static void write_people(const char *folder, const struct test_keys *keys, const struct contract *contract)
{
    struct party_card card = {.name = TEXT("bureau"),
                              .signing = keys->signing[0],
                              .result = keys->result[0],
                              .created = TEST_NOW,
                              .has_previous = true,
                              .previous = {{1}}};
    scoped_json *payload = NULL;
    ASSERT(result_is_ok(party_card_build(&card, &payload)));
    write_json(folder, "party_card", "good", payload);
    struct revocation revocation = {
        .contract = contract->document.digest, .party = TEXT("bureau"), .time = TEST_NOW};
    scoped_json *second = NULL;
    ASSERT(result_is_ok(revocation_build(&revocation, &second)));
    write_json(folder, "revocation", "good", second);
}

static void write_frame(const char *folder, const struct bundle *bundle)
{
    struct result_frame frame = {.columns = bundle->contract.queries[0].output,
                                 .column_count = bundle->contract.queries[0].output_count,
                                 .run = bundle->run_request.run,
                                 .run_request = bundle->run_request.document.digest,
                                 .contract = bundle->contract.document.digest,
                                 .csv = bytes_of_text(TEXT("state,claims,cost\nCA,12,0.50\n"))};
    scoped_buffer out;
    buffer_init(&out, 65536);
    ASSERT(result_is_ok(result_frame_write(&frame, &out)));
    write_file(folder, "result_frame", "good", buffer_view(&out));
}

int main(int count, char **arguments)
{
    ASSERT(count == 2);
    const char *folder = arguments[1];
    struct test_keys keys;
    test_keys_make(&keys);
    scoped_arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    struct test_change none = {0};
    scoped_json *set = test_set_make(&arena, &keys, &none);
    scoped_bundle bundle = {0};
    ASSERT(result_is_ok(bundle_parse(&arena, set, &bundle)));
    write_json(folder, "bundle", "good", set);
    write_json(folder, "contract", "signed", json_object_get(set, "contract"));
    write_file(folder, "contract", "good", bundle.contract.document.payload);
    write_file(folder, "manifest", "good", bundle.manifests[TEST_FLIGHTS].document.payload);
    write_file(folder, "policy", "none", bundle.policies[TEST_FLIGHTS].document.payload);
    write_file(folder, "policy", "entity", bundle.policies[TEST_CLAIMS].document.payload);
    write_file(folder, "grant", "good", bundle.grants[0].document.payload);
    write_file(folder, "run_request", "good", bundle.run_request.document.payload);
    write_people(folder, &keys, &bundle.contract);
    write_frame(folder, &bundle);
    struct test_change refreshed = {.refreshed = true};
    scoped_json *second = test_set_make(&arena, &keys, &refreshed);
    scoped_bundle other = {0};
    ASSERT(result_is_ok(bundle_parse(&arena, second, &other)));
    write_json(folder, "bundle", "refreshed", second);
    write_file(folder, "contract", "refreshed", other.contract.document.payload);
    write_file(folder, "grant", "key_update", other.key_updates[0].document.payload);
    write_file(folder, "policy", "refreshed", other.policies[TEST_CLAIMS].document.payload);
    write_file(folder, "run_request", "manifests", other.run_request.document.payload);
    test_keys_release(&keys);
    return 0;
}
