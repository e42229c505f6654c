/* contract/contract_test_set.h: a good contract with all its documents, and one thing wrong with it. For
 * tests of this module and of what stands on it; not part of a program.
 *
 * Three parties: `analyst` asks and receives, `bureau` brings flights (two parts) and airports, `insurer`
 * brings claims, whose entity is the claim. Everything is signed and pinned after the change has been made,
 * so that a refusal has that one cause. */
#pragma once

#include "contract/bundle.h"

enum { TEST_ANALYST, TEST_BUREAU, TEST_INSURER, TEST_PARTIES };
enum { TEST_FLIGHTS, TEST_AIRPORTS, TEST_CLAIMS, TEST_DATASETS };
#define TEST_NOW ((int64_t)1795467600) /* 2026-11-23T21:00:00Z */

struct test_keys {
    struct key signing[TEST_PARTIES];
    struct key result[TEST_PARTIES];
    struct key stranger;
};

enum test_document {
    TEST_POLICY,
    TEST_MANIFEST,
    TEST_CONTRACT,
    TEST_GRANT,
    TEST_KEY_UPDATE,
    TEST_RUN,
    TEST_SIGNED
};

enum test_trick {
    TEST_NO_TRICK = 0,
    TEST_UNSIGNED,          /* the insurer has not signed the contract */
    TEST_STRANGER,          /* somebody else has signed the contract too */
    TEST_OTHER_EXPLAIN,     /* the insurer signed another explain text */
    TEST_OTHER_EXPLAINS,    /* everybody signed the same other explain text */
    TEST_NO_EXPLAIN,        /* the insurer signed none */
    TEST_NO_GRANT_DIGEST,   /* the insurer's signature names no grant */
    TEST_OTHER_GRANT,       /* ... or another one */
    TEST_UNASKED_GRANT,     /* the analyst's signature names a grant */
    TEST_HEADER_MEMBER,     /* the insurer's signature has a further member */
    TEST_MANIFEST_BY_OTHER, /* the analyst signed the claims' manifest */
    TEST_POLICY_BY_OTHER,
    TEST_POLICY_BY_TWO,
    TEST_GRANT_BY_OTHER,
    TEST_RUN_BY_OTHER,
    TEST_UPDATE_BY_OTHER, /* the bureau signed the claims' key update */
};

/* `path` is a JSON pointer into the payload of the document, or with TEST_SIGNED into the object of all
 * signed documents. `value` is JSON; NULL deletes; "~" changes the first character of a text; "@/path"
 * copies. A last component "-" appends to an array. Path NULL changes nothing. */
struct test_change {
    enum test_document document;
    size_t index;
    const char *path;
    const char *value;
    enum test_trick trick;
    const struct test_change *also; /* further changes, without tricks */
    bool refreshed;                 /* the claims are pinned as data that is refreshed, from version 1 */
};

void test_keys_make(struct test_keys *out);
void test_keys_release(struct test_keys *keys);

/* The object {"contract","grants","manifests","policies","run_request"}, with "key_updates" where claims are
 * refreshed; the caller owns it. Stops on any failure. */
json_t *test_set_make(struct arena *arena, const struct test_keys *keys, const struct test_change *change);
