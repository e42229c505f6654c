#include "contract/contract.h"

#include "base/encode.h"
#include "contract/quote.h"

/* Every sentence here is hashed into the signatures: changing one makes existing contracts' explain digests
 * differ, which is a new version of the format. */

enum { EXPLAIN_BYTES_MAX = 16 * 1024 * 1024 };

struct page {
    struct arena *arena;
    struct buffer *out;
};

static fallible say_digest(struct page page, const char *label, const struct digest *digest)
{
    struct text text;
    TRY(digest_to_text(page.arena, digest, &text));
    return buffer_printf(page.out, "%s %.*s\n", label, TEXT_ARGS(text));
}

static fallible say_names(struct page page, const struct contract *contract, const size_t parties[],
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        TRY(buffer_printf(page.out, "  %.*s\n", TEXT_ARGS(contract->parties[parties[i]].name)));
    }
    return OK;
}

static fallible say_opening(struct page page, const struct contract *contract)
{
    TRY(buffer_add_text(page.out,
                        TEXT("WHAT THIS CONTRACT MEANS\n\n"
                             "Lines behind a bar (|, or : where a long one goes on) are what a party "
                             "wrote, with unusual\ncharacters escaped. All other words are Truce's.\n\n")));
    TRY(say_digest(page, "Contract:", &contract->document.digest));
    TRY(buffer_add_text(page.out, TEXT("Title:\n")));
    TRY(quote_block(page.out, 2, contract->title));
    if (!contract_is_simulated(contract)) {
        return OK;
    }
    return buffer_add_text(
        page.out,
        TEXT("\n*** THIS CONTRACT RUNS ON A SIMULATED TEE. IT ISOLATES NOTHING. ***\n"
             "Whoever operates the machine can read every row and every key. The simulation shows the\n"
             "protocol; it protects no data. Bring only data that everybody may see.\n"));
}

static fallible say_parties(struct page page, const struct contract *contract)
{
    TRY(buffer_add_text(page.out, TEXT("\nPARTIES\n"
                                       "Compare the fingerprints with what each party told you itself.\n")));
    for (size_t i = 0; i < contract->party_count; i++) {
        const struct contract_party *party = &contract->parties[i];
        struct digest result;
        TRY(key_thumbprint(&party->result, &result));
        TRY(buffer_printf(page.out, "  %.*s\n", TEXT_ARGS(party->name)));
        TRY(say_digest(page, "    fingerprint", &party->fingerprint));
        TRY(say_digest(page, "    result key ", &result));
    }
    return OK;
}

static fallible say_entity(struct page page, const struct contract_dataset *dataset)
{
    if (policy_entity_is_none(&dataset->entity)) {
        return buffer_add_text(page.out,
                               TEXT("    Its owner declares that it is about nobody: no minimum applies.\n"));
    }
    TRY(buffer_add_text(page.out, TEXT("    It is about the entities in column\n")));
    TRY(quote_block(page.out, 6, dataset->entity.column));
    return buffer_printf(
        page.out, "    (namespace %.*s). A released value stands for at least %llu different ones.\n",
        TEXT_ARGS(dataset->entity.namespace), (unsigned long long)dataset->entity.min_entities);
}

static fallible say_refreshed(struct page page, const struct contract_dataset *dataset)
{
    TRY(buffer_printf(page.out,
                      "    *** ITS ROWS ARE NOT FIXED. *** Its owner may replace them at any time while the "
                      "contract is\n    valid, and nobody signs again: any version from %llu on counts that "
                      "has the owner's signature,\n    the same columns and the same policy. Who asks names "
                      "the version, and the receipt says which it\n    was. Answers from two versions can be "
                      "compared: a difference between them may be about fewer\n    entities than any "
                      "minimum here. An owner who also asks can choose rows to that end.\n",
                      (unsigned long long)dataset->version));
    return say_digest(page, "    columns ", &dataset->schema);
}

static fallible say_datasets(struct page page, const struct contract *contract)
{
    TRY(buffer_add_text(page.out, TEXT("\nWHO BRINGS WHAT\n")));
    for (size_t i = 0; i < contract->dataset_count; i++) {
        const struct contract_dataset *dataset = &contract->datasets[i];
        TRY(buffer_printf(page.out, "  %.*s brings %.*s as table %.*s.\n",
                          TEXT_ARGS(contract->parties[dataset->owner].name), TEXT_ARGS(dataset->dataset),
                          TEXT_ARGS(dataset->table)));
        TRY(dataset->is_refreshed ? say_refreshed(page, dataset)
                                  : say_digest(page, "    manifest", &dataset->manifest));
        TRY(say_digest(page, "    policy  ", &dataset->policy));
        TRY(say_entity(page, dataset));
    }
    return OK;
}

static fallible say_reads(struct page page, const struct contract *contract,
                          const struct contract_query *query)
{
    TRY(buffer_add_text(page.out, TEXT("    It reads inside the room, and nothing else:\n")));
    for (size_t i = 0; i < query->read_count; i++) {
        const struct contract_read *read = &query->reads[i];
        const struct contract_dataset *dataset = &contract->datasets[read->dataset];
        TRY(buffer_printf(page.out, "      of table %.*s (%.*s)%s\n", TEXT_ARGS(dataset->table),
                          TEXT_ARGS(contract->parties[dataset->owner].name),
                          read->column_count == 0 ? " only how many rows there are" : ""));
        for (size_t c = 0; c < read->column_count; c++) {
            TRY(quote_block(page.out, 8, read->columns[c]));
        }
    }
    return OK;
}

static fallible say_parameter(struct page page, const struct contract_parameter *parameter)
{
    struct text type;
    TRY(column_type_to_text(page.arena, parameter->type, &type));
    TRY(buffer_printf(page.out, "      %.*s, %.*s, %s", TEXT_ARGS(parameter->name), TEXT_ARGS(type),
                      parameter->is_public ? "visible to the host" : "visible to the room only"));
    if (parameter->has_min) {
        TRY(buffer_printf(page.out, ", from %.*s", TEXT_ARGS(parameter->min)));
    }
    if (parameter->has_max) {
        TRY(buffer_printf(page.out, ", up to %.*s", TEXT_ARGS(parameter->max)));
    }
    TRY(buffer_add_text(page.out, parameter->value_count > 0 ? TEXT(", one of\n") : TEXT("\n")));
    for (size_t i = 0; i < parameter->value_count; i++) {
        TRY(quote_block(page.out, 8, parameter->values[i]));
    }
    return OK;
}

static fallible say_output(struct page page, const struct contract_query *query)
{
    TRY(buffer_add_text(page.out, TEXT("    What leaves the room, for the recipients only, in each row:\n")));
    for (size_t i = 0; i < query->output_count; i++) {
        struct text type;
        TRY(column_type_to_text(page.arena, query->output[i].type, &type));
        TRY(buffer_printf(page.out, "      %.*s, named\n", TEXT_ARGS(type)));
        TRY(quote_block(page.out, 8, query->output[i].name));
    }
    return buffer_printf(page.out,
                         "    Never more than %llu rows and %llu octets per run, even if the query engine is "
                         "subverted.\n    A run is stopped after %llu seconds and has %llu MB of memory.\n",
                         (unsigned long long)query->max_rows, (unsigned long long)query->max_bytes,
                         (unsigned long long)query->seconds, (unsigned long long)query->memory_mb);
}

static bool begins_clause(struct text text)
{
    static const char *const clauses[] = {" FROM ",      " WHERE ",    " GROUP BY ", " INNER JOIN ",
                                          " LEFT JOIN ", " ORDER BY ", " LIMIT "};
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++) {
        if (text_starts_with(text, text_of(clauses[i]))) {
            return true;
        }
    }
    return false;
}

/* Where one is in a query's text: within which quotes, below how many brackets, behind the last WITH query.
 */
struct sql_place {
    char quote;
    size_t depth;
    bool final;
};

/* What to write before the rest of the text, in place of the space with which it may begin. */
static const char *line_break(const struct sql_place *place, struct text rest, char before)
{
    if (place->quote != '\0' || place->depth > 1) {
        return "";
    }
    if (begins_clause(rest)) {
        return "\n    ";
    }
    bool next_core = rest.data[0] == ' ' && before == ',' && !place->final;
    bool select = before == ')' && text_starts_with(rest, TEXT("SELECT "));
    return place->depth == 0 && (next_core || select) ? "\n" : "";
}

static void sql_advance(struct sql_place *place, struct text rest)
{
    char octet = rest.data[0];
    if (octet == '\'' || octet == '"') {
        place->quote = place->quote == '\0' ? octet : place->quote == octet ? '\0' : place->quote;
    } else if (place->quote == '\0') {
        place->depth += octet == '(' ? 1 : 0;
        place->depth -= octet == ')' && place->depth > 0 ? 1 : 0;
        place->final = place->final || (place->depth == 0 && text_starts_with(rest, TEXT("SELECT ")));
    }
}

/* The canonical text is one line. It is shown with its clauses, WITH queries and final SELECT on lines of
 * their own; nothing within quotes is touched. */
static fallible say_sql(struct page page, struct text sql)
{
    scoped_buffer lines;
    struct sql_place place = {0};
    buffer_init(&lines, EXPLAIN_BYTES_MAX);
    for (size_t i = 0; i < sql.size; i++) {
        struct text rest = {sql.data + i, sql.size - i};
        const char *broken = line_break(&place, rest, i == 0 ? '\0' : sql.data[i - 1]);
        sql_advance(&place, rest);
        TRY(buffer_add_text(&lines, text_of(broken)));
        if (broken[0] == '\0' || rest.data[0] != ' ') {
            TRY(buffer_add_byte(&lines, (uint8_t)rest.data[0]));
        }
    }
    return quote_block(page.out, 6, buffer_text(&lines));
}

static fallible say_query(struct page page, const struct contract *contract,
                          const struct contract_query *query)
{
    TRY(buffer_printf(page.out, "  Query %.*s\n", TEXT_ARGS(query->name)));
    TRY(say_sql(page, query->sql));
    TRY(say_reads(page, contract, query));
    TRY(buffer_add_text(page.out, query->parameter_count == 0 ? TEXT("    It has no parameters.\n")
                                                              : TEXT("    Who asks may choose:\n")));
    for (size_t i = 0; i < query->parameter_count; i++) {
        TRY(say_parameter(page, &query->parameters[i]));
    }
    return say_output(page, query);
}

static fallible say_queries(struct page page, const struct contract *contract)
{
    TRY(buffer_add_text(page.out, TEXT("\nWHICH QUESTIONS MAY BE ASKED\n")));
    for (size_t i = 0; i < contract->query_count; i++) {
        TRY(say_query(page, contract, &contract->queries[i]));
    }
    TRY(buffer_add_text(page.out, TEXT("\nWHO MAY ASK, any number of times while the contract is valid\n")));
    TRY(say_names(page, contract, contract->queriers, contract->querier_count));
    TRY(buffer_add_text(page.out, TEXT("\nWHO MAY RECEIVE RESULTS, as the one who asks chooses\n")));
    return say_names(page, contract, contract->recipients, contract->recipient_count);
}

static fallible say_tees(struct page page, const struct contract *contract)
{
    TRY(buffer_add_text(page.out, TEXT("\nWHERE IT MAY RUN\n")));
    for (size_t i = 0; i < contract->tee_count; i++) {
        const struct contract_tee *tee = &contract->tees[i];
        struct text measurement;
        TRY(encode_hex(page.arena, tee->measurement, &measurement));
        TRY(buffer_printf(page.out, "  Only code measured, on type %.*s, as\n    %.*s\n",
                          TEXT_ARGS(tee->type), TEXT_ARGS(measurement)));
        if (tee->has_root) {
            TRY(say_digest(page, "    simulation root", &tee->root));
        }
    }
    return OK;
}

static fallible say_authorities(struct page page, const struct contract *contract)
{
    TRY(buffer_add_text(page.out, TEXT("\nWHOSE WORD ON THE EVIDENCE EACH OWNER'S VAULT TAKES\n")));
    for (size_t i = 0; i < contract->authority_count; i++) {
        const struct contract_authority *authority = &contract->authorities[i];
        TRY(buffer_printf(page.out, "  For %.*s, the attestation service\n",
                          TEXT_ARGS(contract->parties[authority->party].name)));
        TRY(quote_block(page.out, 4, authority->issuer));
        TRY(say_digest(page, "    under policy  ", &authority->policy_hash));
        for (size_t k = 0; k < authority->key_count; k++) {
            TRY(say_digest(page, "    by signing key", &authority->keys[k]));
        }
    }
    return OK;
}

static fallible say_terms(struct page page, const struct contract *contract)
{
    struct text from;
    struct text until;
    TRY(buffer_add_text(page.out, TEXT("\nRESIDENCY, declared by the parties and enforced by nothing\n")));
    if (contract->residency_count == 0) {
        TRY(buffer_add_text(page.out, TEXT("  none\n")));
    }
    for (size_t i = 0; i < contract->residency_count; i++) {
        TRY(quote_block(page.out, 2, contract->residency[i]));
    }
    TRY(encode_time(page.arena, contract->valid_from, &from));
    TRY(encode_time(page.arena, contract->valid_until, &until));
    return buffer_printf(
        page.out,
        "\nVALIDITY\n  From %.*s until %.*s.\n"
        "  Each owner can end it at once by disabling its release key; runs in flight may finish.\n"
        "  For every run the room reads all granted columns in full.\n",
        TEXT_ARGS(from), TEXT_ARGS(until));
}

fallible contract_explain(struct arena *arena, const struct contract *contract, struct text *out)
{
    scoped_buffer buffer;
    buffer_init(&buffer, EXPLAIN_BYTES_MAX);
    struct page page = {arena, &buffer};
    TRY(say_opening(page, contract));
    TRY(say_parties(page, contract));
    TRY(say_datasets(page, contract));
    TRY(say_queries(page, contract));
    TRY(say_tees(page, contract));
    TRY(say_authorities(page, contract));
    TRY(say_terms(page, contract));
    return arena_copy_text(arena, buffer_text(&buffer), out);
}
