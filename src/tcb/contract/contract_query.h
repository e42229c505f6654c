/* contract/contract_query.h: reading and building one query of a contract. Only contract.c and
 * contract_build.c look at it. */
#pragma once

#include "contract/contract.h"

/* Reads one of `self`'s queries, which is a contract that has its datasets already. */
document_read_row contract_query_read;
fallible contract_query_build(const struct contract *contract, const struct contract_query *query,
                              json_t *row);

/* The row of the table of TEE families. UNSUPPORTED "contract.tee.unknown", "contract.tee.sgx". */
fallible contract_family_find(struct text type, enum contract_family *out);
