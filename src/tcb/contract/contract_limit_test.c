/* Every list, number and text of the documents of a contract, one beyond its limit. */
#include "contract/contract_test_set.h"

#include "crypto/test_support.h"

enum { ARENA_BYTES = 64 * 1024 * 1024, VALUE_BYTES_MAX = 2 * 1024 * 1024 };
enum { WRAPPED_CHARACTERS = (GRANT_WRAPPED_BYTES_MAX + 1 + 2) / 3 * 4 };

static int make_keys(void **state)
{
    struct test_keys *keys = malloc(sizeof *keys);
    assert_non_null(keys);
    test_keys_make(keys);
    *state = keys;
    return 0;
}

static int drop_keys(void **state)
{
    test_keys_release(*state);
    free(*state);
    return 0;
}

/* How the member is filled: with so many zeros in a list, members of an object or characters, or with one
 * number. */
enum filling { LIST, OBJECT, CHARACTERS, NUMBER };

static const struct {
    enum test_document document;
    const char *path;
    enum filling filling;
    uint64_t limit;
    const char *want_why;
} rows[] = {
    {TEST_CONTRACT, "/parties", LIST, CONTRACT_PARTIES_MAX, "document.too_many"},
    {TEST_CONTRACT, "/queriers", LIST, CONTRACT_PARTIES_MAX, "document.too_many"},
    {TEST_CONTRACT, "/recipients", LIST, CONTRACT_PARTIES_MAX, "document.too_many"},
    {TEST_CONTRACT, "/datasets", LIST, CONTRACT_DATASETS_MAX, "document.too_many"},
    {TEST_CONTRACT, "/queries", LIST, CONTRACT_QUERIES_MAX, "document.too_many"},
    {TEST_CONTRACT, "/queries/0/parameters", LIST, CONTRACT_PARAMETERS_MAX, "document.too_many"},
    {TEST_CONTRACT, "/queries/0/parameters/2/values", LIST, CONTRACT_VALUES_MAX, "document.too_many"},
    {TEST_CONTRACT, "/queries/0/output", LIST, CONTRACT_OUTPUT_MAX, "document.too_many"},
    {TEST_CONTRACT, "/queries/0/reads", OBJECT, CONTRACT_DATASETS_MAX, "document.too_many"},
    {TEST_CONTRACT, "/queries/0/sql", CHARACTERS, CONTRACT_SQL_BYTES_MAX, "contract.query.sql"},
    {TEST_CONTRACT, "/queries/0/max_rows", NUMBER, POLICY_MAX_ROWS_MAX, "json.member.out_of_range"},
    {TEST_CONTRACT, "/queries/0/max_bytes", NUMBER, CONTRACT_RESULT_BYTES_MAX, "json.member.out_of_range"},
    {TEST_CONTRACT, "/queries/0/seconds", NUMBER, CONTRACT_SECONDS_MAX, "json.member.out_of_range"},
    {TEST_CONTRACT, "/queries/0/memory_mb", NUMBER, CONTRACT_MEMORY_MB_MAX, "json.member.out_of_range"},
    {TEST_CONTRACT, "/tee", LIST, CONTRACT_TEES_MAX, "document.too_many"},
    {TEST_CONTRACT, "/authorities", LIST, CONTRACT_AUTHORITIES_MAX, "document.too_many"},
    {TEST_CONTRACT, "/authorities/0/keys", LIST, CONTRACT_AUTHORITY_KEYS_MAX, "document.too_many"},
    {TEST_CONTRACT, "/residency", LIST, CONTRACT_RESIDENCY_MAX, "document.too_many"},
    {TEST_CONTRACT, "/title", CHARACTERS, CONTRACT_TITLE_BYTES_MAX, "contract.title"},
    {TEST_CONTRACT, "/authorities/0/issuer", CHARACTERS, DOCUMENT_URL_BYTES_MAX, "document.url"},
    {TEST_MANIFEST, "/parts", LIST, MANIFEST_PARTS_MAX, "document.too_many"},
    {TEST_MANIFEST, "/parts/0/groups", LIST, MANIFEST_GROUPS_MAX, "document.too_many"},
    {TEST_MANIFEST, "/dataset", CHARACTERS, DOCUMENT_DATASET_BYTES_MAX, "document.dataset"},
    {TEST_POLICY, "/output/max_rows", NUMBER, POLICY_MAX_ROWS_MAX, "json.member.out_of_range"},
    {TEST_POLICY, "/output/min_entities", NUMBER, POLICY_MIN_ENTITIES_MAX, "json.member.out_of_range"},
    {TEST_POLICY, "/columns", OBJECT, POLICY_COLUMNS_MAX, "document.too_many"},
    {TEST_GRANT, "/keys", LIST, CONTRACT_DATASETS_MAX, "document.too_many"},
    {TEST_GRANT, "/keys/0/wrapped", CHARACTERS, WRAPPED_CHARACTERS - 1, "document.size"},
    {TEST_RUN, "/recipients", LIST, CONTRACT_PARTIES_MAX, "document.too_many"},
    {TEST_RUN, "/parameters", OBJECT, CONTRACT_PARAMETERS_MAX, "document.too_many"},
};

/* The insurer's documents, where there is one per party or dataset: it has a grant and an entity. */
static size_t index_of(enum test_document document)
{
    return document == TEST_GRANT || document == TEST_POLICY ? TEST_INSURER : 0;
}

static void append(char *out, size_t *size, const char *text)
{
    size_t more = strlen(text);
    assert_true(*size + more < VALUE_BYTES_MAX);
    memcpy(out + *size, text, more + 1);
    *size += more;
}

static void fill(char *out, enum filling filling, uint64_t count, const char *prefix)
{
    size_t size = 0;
    char item[32];
    if (filling == NUMBER) {
        snprintf(out, 32, "%llu", (unsigned long long)count);
        return;
    }
    append(out, &size, filling == LIST ? "[" : filling == OBJECT ? "{" : "\"");
    append(out, &size, prefix);
    for (uint64_t i = strlen(prefix); i < count; i++) {
        snprintf(item, sizeof item, "%s\"%06llu\":0", i > 0 ? "," : "", (unsigned long long)i);
        append(out, &size, filling == CHARACTERS ? "A" : filling == OBJECT ? item : i > 0 ? ",0" : "0");
    }
    append(out, &size, filling == LIST ? "]" : filling == OBJECT ? "}" : "\"");
}

static void each_limit_is_crossed(void **state)
{
    char *value = malloc(VALUE_BYTES_MAX);
    assert_non_null(value);
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_arena arena;
        arena_init(&arena, ARENA_BYTES);
        bool is_url = strcmp(rows[i].want_why, "document.url") == 0;
        fill(value, rows[i].filling, rows[i].limit + 1, is_url ? "https://" : "");
        struct test_change change = {rows[i].document, index_of(rows[i].document), rows[i].path, value,
                                     TEST_NO_TRICK};
        scoped_json *set = test_set_make(&arena, *state, &change);
        scoped_bundle bundle = {0};
        struct result result = bundle_parse(&arena, set, &bundle);
        if (strcmp(result.why, rows[i].want_why) != 0) {
            print_error("%s: %s at %s\n", rows[i].path, result.why, result.where ? result.where : "-");
            wrong++;
        }
    }
    free(value);
    assert_int_equal(wrong, 0);
}

static void the_last_allowed_numbers_are_taken(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].filling != NUMBER) {
            continue;
        }
        char value[32];
        scoped_arena arena;
        arena_init(&arena, ARENA_BYTES);
        fill(value, NUMBER, rows[i].limit, "");
        struct test_change change = {rows[i].document, index_of(rows[i].document), rows[i].path, value,
                                     TEST_NO_TRICK};
        scoped_json *set = test_set_make(&arena, *state, &change);
        scoped_bundle bundle = {0};
        assert_ok(bundle_parse(&arena, set, &bundle));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_limit_is_crossed),
        cmocka_unit_test(the_last_allowed_numbers_are_taken),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
