#include "attest/evidence.h"
#include "attest/release_policy.h"
#include "attest/runtime_data.h"
#include "contract/grant.h"
#include "contract/manifest.h"
#include "contract/run_request.h"
#include "edge/query_wire.h"
#include "jose/jwe.h"
#include "jose/jwt.h"
#include "party/command/table.h"
#include "party/draft/specification.h"
#include "party/home/address_book.h"
#include "party/home/backup.h"
#include "party/home/connection.h"
#include "party/home/file.h"
#include "privacy/gate.h"
#include "privacy/result_frame.h"
#include "query/spawner.h"
#include "receipt/verify.h"
#include "service/http/client.h"

static const struct {
    const char *name;
    uint64_t value;
} rows[] = {
#define LIMIT_ROW(name)                                                                                      \
    {                                                                                                        \
#name, (uint64_t)(name)                                                                              \
    }
    LIMIT_ROW(ADDRESS_BOOK_MAX),
    LIMIT_ROW(BACKUP_FILES_MAX),
    LIMIT_ROW(BACKUP_FILE_BYTES_MAX),
    LIMIT_ROW(CELL_TEXT_BYTES_MAX),
    LIMIT_ROW(COLUMN_NAME_BYTES_MAX),
    LIMIT_ROW(CONNECTION_KEYS_MAX),
    LIMIT_ROW(CONTRACT_AUTHORITIES_MAX),
    LIMIT_ROW(CONTRACT_AUTHORITY_KEYS_MAX),
    LIMIT_ROW(CONTRACT_DATASETS_MAX),
    LIMIT_ROW(CONTRACT_MEMORY_MB_MAX),
    LIMIT_ROW(CONTRACT_OUTPUT_MAX),
    LIMIT_ROW(CONTRACT_PARAMETERS_MAX),
    LIMIT_ROW(CONTRACT_PARTIES_MAX),
    LIMIT_ROW(CONTRACT_QUERIES_MAX),
    LIMIT_ROW(CONTRACT_RESIDENCY_MAX),
    LIMIT_ROW(CONTRACT_RESULT_BYTES_MAX),
    LIMIT_ROW(CONTRACT_SECONDS_MAX),
    LIMIT_ROW(CONTRACT_SQL_BYTES_MAX),
    LIMIT_ROW(CONTRACT_TEES_MAX),
    LIMIT_ROW(CONTRACT_TITLE_BYTES_MAX),
    LIMIT_ROW(CONTRACT_VALUES_MAX),
    LIMIT_ROW(EVIDENCE_CERTIFICATES_MAX),
    LIMIT_ROW(EVIDENCE_SIZE_MAX),
    LIMIT_ROW(FILE_SIZE_MAX),
    LIMIT_ROW(GATE_COLUMNS_MAX),
    LIMIT_ROW(GRANT_WRAPPED_BYTES_MAX),
    LIMIT_ROW(HTTP_ANSWER_BYTES_MAX_DEFAULT),
    LIMIT_ROW(HTTP_TIMEOUT_MS_DEFAULT),
    LIMIT_ROW(JSON_SIZE_MAX),
    LIMIT_ROW(JWE_RECIPIENTS_MAX),
    LIMIT_ROW(JWS_SIGNATURES_MAX),
    LIMIT_ROW(JWS_SIZE_MAX),
    LIMIT_ROW(JWT_SIZE_MAX),
    LIMIT_ROW(MANIFEST_COLUMNS_MAX),
    LIMIT_ROW(MANIFEST_GROUPS_MAX),
    LIMIT_ROW(MANIFEST_PARTS_MAX),
    LIMIT_ROW(MANIFEST_ROWS_MAX),
    LIMIT_ROW(POLICY_COLUMNS_MAX),
    LIMIT_ROW(POLICY_DATASETS_MAX),
    LIMIT_ROW(POLICY_MAX_ROWS_MAX),
    LIMIT_ROW(QUERY_FRAME_BYTES_MAX),
    LIMIT_ROW(QUERY_SEGMENTS_MAX),
    LIMIT_ROW(RECEIPT_BUNDLE_SIZE_MAX),
    LIMIT_ROW(RECEIPT_TRUST_AUTHORITIES_MAX),
    LIMIT_ROW(RECEIPT_TRUST_MEASUREMENTS_MAX),
    LIMIT_ROW(RECEIPT_TRUST_PARTIES_MAX),
    LIMIT_ROW(RELEASE_POLICY_DEPTH_MAX),
    LIMIT_ROW(RELEASE_POLICY_NODES_MAX),
    LIMIT_ROW(RELEASE_POLICY_SIZE_MAX),
    LIMIT_ROW(RESULT_SIZE_MAX),
    LIMIT_ROW(RUN_SEALED_BYTES_MAX),
    LIMIT_ROW(RUNTIME_DATA_SIZE_MAX),
    LIMIT_ROW(SECRET_SIZE_MAX),
    LIMIT_ROW(SPECIFICATION_DAYS_MAX),
#undef LIMIT_ROW
};

static fallible run_limits(struct invocation *invocation)
{
    scoped_json *json = json_object();
    json_t *limits = json_object();
    json_t *statuses = json_object();
    TRY(json_set(json, "limits", limits));
    TRY(json_set(json, "exit_status", statuses));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        TRY(json_set_i64(limits, rows[i].name, (int64_t)rows[i].value));
        screen_line(&invocation->screen, "%-36s %llu", rows[i].name, (unsigned long long)rows[i].value);
    }
    screen_line(&invocation->screen, "\nExit status: 0 done, 2 wrong command line, and");
    for (int code = RESULT_OK + 1; code < RESULT_CODE_COUNT; code++) {
        const char *name = result_code_name((enum result_code)code);
        TRY(json_set_i64(statuses, name, result_code_exit_status((enum result_code)code)));
        screen_line(&invocation->screen, "  %d  %-16s %s", result_code_exit_status((enum result_code)code),
                    name, result_code_advice((enum result_code)code));
    }
    return screen_json(&invocation->screen, json);
}

static const struct option no_options[] = {{0}};

const struct command command_limits[] = {
    {"limits", NULL, "print every named maximum and the exit statuses", "", NULL, no_options, 0, 0,
     run_limits},
    {0},
};
