/* receipt/receipt_test_set.h: a good receipt with everything that belongs to it, and one thing wrong with it.
 * For tests; not part of a program. */
#pragma once

#include "contract/contract_test_set.h"
#include "receipt/verify.h"
#include "tee/sim_chip.h"

/* What a change is made to, before it is signed or written. */
enum receipt_stage {
    STAGE_NONE = 0,
    STAGE_DOCUMENT,  /* the set of signed documents, as struct test_change has it with TEST_SIGNED */
    STAGE_EXPLAIN,   /* no path: all parties signed another explain text */
    STAGE_RUNTIME,   /* the parsed runtime data; evidence and tokens are then made over the changed octets */
    STAGE_CLAIMS,    /* of the bureau's token, before it is signed */
    STAGE_STATEMENT, /* before it is signed */
    STAGE_BUNDLE,    /* the finished bundle */
    STAGE_TRUST,     /* the verifier's own file */
};

/* `path` is a JSON pointer. `value` is JSON; NULL deletes; "~" changes the last character of a text to
 * another of the base64url alphabet, "^" to another hexadecimal digit. */
struct receipt_change {
    enum receipt_stage stage;
    const char *path;
    const char *value;
};

struct receipt_set {
    struct world world; /* at TEST_NOW */
    char folder[64];
    struct test_keys keys;
    struct key wrap, receipt, authority;
    struct digest root;
    struct sim_chip chip;
};

void receipt_set_init(struct receipt_set *out);
void receipt_set_release(struct receipt_set *set);

/* The octets of receipt.json and of the trust file after the change, in the arena. */
void receipt_set_make(struct arena *arena, const struct receipt_set *set, const struct receipt_change *change,
                      struct bytes *out_bundle, struct bytes *out_trust);

#define RECEIPT_SET_RESULT TEXT("the result document")
