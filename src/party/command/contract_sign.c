#include "contract/revocation.h"
#include "party/agreement/owner.h"
#include "party/command/contract.h"
#include "party/home/file.h"
#include "party/link/host_link.h"

struct signing {
    struct own_party party;
    struct keystore keystore;
    struct contract contract;
    size_t self;
    const char *path;
};

static void signing_release(struct signing *signing)
{
    keystore_release(&signing->keystore);
    contract_release(&signing->contract);
}

/* What must hold before anything is asked or signed. */
static fallible check_contract(struct invocation *invocation, struct signing *signing)
{
    scoped_address_book book = {0};
    struct contract_known_party *known;
    size_t count;
    struct contract *contract = &signing->contract;
    TRY(address_book_open(invocation->arena, signing->party.folder, &book));
    TRY(agreement_known(invocation->arena, &book, &known, &count));
    TRY(contract_check_known(contract, known, count));
    TRY(agreement_check_result_keys(invocation->arena, contract, &book));
    TRY(agreement_find_self(contract, &book.rows[0].card.fingerprint, &signing->self));
    if (world_now(&invocation->world) >= contract->valid_until) {
        return FAIL(EXPIRED, "contract.expired");
    }
    for (size_t i = 0; i < contract->party_count; i++) {
        if (contract->parties[i].is_signed) {
            TRY(contract_verify_signature(invocation->arena, contract, i));
        }
    }
    REQUIRE(!contract->parties[signing->self].is_signed, CONFLICT, "contract.signed_already");
    return OK;
}

static fallible confirm(struct invocation *invocation, const struct signing *signing)
{
    if (!invocation->screen.json) {
        TRY(contract_print(invocation, &signing->contract, &signing->party));
    }
    if (option_given(&invocation->options, "yes")) {
        return OK;
    }
    fflush(invocation->screen.results);
    if (screen_confirm(&invocation->screen, "Sign this as your agreement?") != VERDICT_ALLOW) {
        return invocation_advise(invocation, FAIL(DENIED, "contract.not_confirmed"), "Nothing was signed.");
    }
    return OK;
}

static fallible make_grant(struct invocation *invocation, struct signing *signing, struct buffer *out_grant)
{
    const char *folders[CONTRACT_FOLDERS_MAX];
    size_t count = contract_folders(invocation, folders);
    scoped_vault vault = {0};
    struct progress progress;
    progress_begin(&progress, &invocation->screen, &invocation->world, "release key in the vault", 0, false);
    TRY(vault_open(invocation->arena, signing->party.folder, &vault));
    struct result result = owner_make_grant(invocation->arena, &vault, signing->party.folder, folders, count,
                                            &signing->keystore, &signing->contract, signing->self, out_grant);
    if (result.code == RESULT_NOT_FOUND && strcmp(result.why, "owner.dataset.missing") == 0) {
        return invocation_advise(invocation, result,
                                 "Your sealed dataset %s is needed to wrap its key: --dataset FOLDER.",
                                 result.where);
    }
    TRY(result);
    progress_end(&progress, true);
    return OK;
}

static fallible grant_digest(struct invocation *invocation, struct bytes document, struct digest *out)
{
    scoped_grant grant = {0};
    TRY(grant_parse(invocation->arena, document, &grant));
    *out = grant.document.digest;
    return OK;
}

static fallible add_signature(struct invocation *invocation, struct signing *signing,
                              const struct digest *grant, struct buffer *out)
{
    scoped_json *header = NULL;
    const struct jws *document = &signing->contract.document;
    TRY(contract_build_header(invocation->arena, &signing->contract, grant, &header));
    if (document->signature_count > 0) {
        return jws_add_signature(invocation->arena, document, CONTRACT_TYP, header,
                                 &signing->keystore.signing, out);
    }
    return jws_sign(document->content, CONTRACT_TYP, header, &signing->keystore.signing, out);
}

static fallible write_files(struct invocation *invocation, const struct signing *signing,
                            struct bytes document, struct bytes grant, json_t *json)
{
    const char *out = option_value(&invocation->options, "out");
    const char *grant_path = option_value(&invocation->options, "grant");
    out = out != NULL ? out : signing->path;
    TRY(agreement_keep_contract(invocation->arena, signing->party.folder, &signing->contract.document.digest,
                                document, grant));
    TRY(file_write(out, document, FILE_PUBLIC));
    TRY(json_set_text(json, "file", text_of(out)));
    screen_line(&invocation->screen, "%s signed; %s", signing->party.name, out);
    if (grant.size == 0) {
        return OK;
    }
    if (grant_path == NULL) {
        const char *folder;
        TRY(file_folder_of(invocation->arena, out, &folder));
        TRY(file_path(invocation->arena, folder,
                      arena_where(invocation->arena, "grant.%s.json", signing->party.name), &grant_path));
    }
    TRY(file_write(grant_path, grant, FILE_PUBLIC));
    TRY(json_set_text(json, "grant", text_of(grant_path)));
    screen_line(&invocation->screen, "grant written to %s", grant_path);
    for (size_t i = 0; i < signing->contract.dataset_count; i++) {
        const struct contract_dataset *dataset = &signing->contract.datasets[i];
        if (dataset->is_refreshed && dataset->owner == signing->self) {
            screen_line(&invocation->screen,
                        "%s is refreshed: give each version's key by truce contract refresh",
                        screen_safe(invocation->arena, dataset->dataset));
        }
    }
    return OK;
}

fallible contract_run_sign(struct invocation *invocation)
{
    defer(signing_release) struct signing signing = {.path = invocation_argument(invocation, 0)};
    scoped_buffer grant;
    scoped_buffer document;
    scoped_json *json = json_object();
    struct digest digest;
    buffer_init(&grant, JWS_SIZE_MAX);
    buffer_init(&document, JWS_SIZE_MAX);
    TRY(invocation_party(invocation, &signing.party));
    TRY(contract_open(invocation, 0, &signing.contract));
    TRY(check_contract(invocation, &signing));
    TRY(confirm(invocation, &signing));
    TRY(invocation_unlock(invocation, &signing.party, &signing.keystore));
    bool is_owner = signing.contract.parties[signing.self].is_owner;
    if (is_owner) {
        TRY(make_grant(invocation, &signing, &grant));
        TRY(grant_digest(invocation, buffer_view(&grant), &digest));
    }
    TRY(add_signature(invocation, &signing, is_owner ? &digest : NULL, &document));
    TRY(write_files(invocation, &signing, buffer_view(&document), buffer_view(&grant), json));
    return screen_json(&invocation->screen, json);
}

/* Appends the signatures of `from` that `into` lacks. The same party with two different signatures is a
 * conflict. */
static fallible take_signatures(struct arena *arena, const struct contract *from, json_t *signatures)
{
    for (size_t i = 0; i < from->party_count; i++) {
        if (!from->parties[i].is_signed) {
            continue;
        }
        TRY(contract_verify_signature(arena, from, i));
        const struct jws_signature *signature = &from->document.signatures[from->parties[i].signature];
        json_t *row = json_object();
        TRY(json_set_text(row, "protected", signature->protected_text));
        TRY(json_set_base64url(row, "signature", signature->signature));
        bool is_there = false;
        for (size_t k = 0; k < json_array_size(signatures); k++) {
            const char *there =
                json_string_value(json_object_get(json_array_get(signatures, k), "protected"));
            is_there = is_there || text_is(signature->protected_text, there);
        }
        if (is_there) {
            json_decref(row);
        } else {
            TRY(json_add(signatures, row));
        }
    }
    return OK;
}

fallible contract_run_merge(struct invocation *invocation)
{
    scoped_json *merged = json_object();
    scoped_json *json = json_object();
    scoped_contract result = {0};
    json_t *signatures = json_array();
    struct digest digest = {0};
    struct text text;
    const char *out = option_value(&invocation->options, "out");
    out = out != NULL ? out : invocation_argument(invocation, 0);
    TRY(json_set(merged, "signatures", signatures));
    for (size_t i = 0; i < invocation->options.argument_count; i++) {
        scoped_contract contract = {0};
        TRY(contract_open(invocation, i, &contract));
        if (i == 0) {
            digest = contract.document.digest;
            TRY(json_set_base64url(merged, "payload", contract.document.payload));
        } else if (!digest_equal(&digest, &contract.document.digest)) {
            return invocation_advise(
                invocation, FAIL_AT(CONFLICT, "contract.merge.other", invocation->options.arguments[i]),
                "This file is another contract than the first one.");
        }
        TRY(take_signatures(invocation->arena, &contract, signatures));
    }
    TRY(json_encode_text(invocation->arena, merged, &text));
    TRY(contract_parse(invocation->arena, bytes_of_text(text), &result));
    TRY(file_write(out, bytes_of_text(text), FILE_PUBLIC));
    TRY(json_set_text(json, "file", text_of(out)));
    TRY(json_set_i64(json, "signatures", (int64_t)json_array_size(signatures)));
    screen_line(&invocation->screen, "%s: %zu of %zu signatures", out, json_array_size(signatures),
                result.party_count);
    return screen_json(&invocation->screen, json);
}

static fallible put_grant(struct invocation *invocation, struct host_link *link, const char *hex,
                          struct bytes document, json_t *published)
{
    scoped_grant grant = {0};
    TRY(grant_parse(invocation->arena, document, &grant));
    TRY(host_link_put(
        link, invocation->arena,
        arena_where(invocation->arena, "/v1/contracts/%s/grants/%.*s", hex, TEXT_ARGS(grant.owner)),
        document));
    screen_line(&invocation->screen, "grant of %s is at the host",
                screen_safe(invocation->arena, grant.owner));
    return json_add_text(published, grant.owner);
}

fallible contract_run_publish(struct invocation *invocation)
{
    struct own_party party;
    scoped_contract contract = {0};
    scoped_host_link link = {0};
    scoped_json *json = json_object();
    json_t *grants = json_array();
    struct bytes document;
    struct bytes grant;
    const char *hex;
    const char *path;
    TRY(json_set(json, "grants", grants));
    TRY(invocation_party(invocation, &party));
    TRY(contract_open(invocation, 0, &contract));
    TRY(file_read(invocation->arena, invocation_argument(invocation, 0), &document));
    TRY(agreement_hex(invocation->arena, &contract.document.digest, &hex));
    TRY(host_link_open(invocation->arena, party.folder, &link));
    TRY(host_link_put(&link, invocation->arena, arena_where(invocation->arena, "/v1/contracts/%s", hex),
                      document));
    screen_line(&invocation->screen, "contract %s is at the host", hex);
    if (result_is_ok(
            agreement_kept_grant(invocation->arena, party.folder, &contract.document.digest, &grant))) {
        TRY(put_grant(invocation, &link, hex, grant, grants));
    }
    for (size_t i = 0; (path = option_value_at(&invocation->options, "grant", i)) != NULL; i++) {
        TRY(file_read(invocation->arena, path, &grant));
        TRY(put_grant(invocation, &link, hex, grant, grants));
    }
    for (size_t i = 0; (path = option_value_at(&invocation->options, "update", i)) != NULL; i++) {
        TRY(file_read(invocation->arena, path, &grant));
        TRY(contract_put_update(invocation, &link, hex, grant));
    }
    TRY(json_set_text(json, "contract", text_of(hex)));
    return screen_json(&invocation->screen, json);
}

static fallible disable_own_key(struct invocation *invocation, const struct own_party *party,
                                const struct contract *contract)
{
    struct bytes document;
    scoped_grant grant = {0};
    scoped_vault vault = {0};
    TRY(agreement_kept_grant(invocation->arena, party->folder, &contract->document.digest, &document));
    TRY(grant_parse(invocation->arena, document, &grant));
    TRY(vault_open(invocation->arena, party->folder, &vault));
    TRY(vault_disable_key(&vault, invocation->arena, grant.key, grant.version));
    screen_line(&invocation->screen, "release key %.*s is disabled: no new release", TEXT_ARGS(grant.key));
    return OK;
}

static fallible sign_revocation(struct invocation *invocation, struct signing *signing, struct buffer *out)
{
    struct revocation revocation = {
        .contract = signing->contract.document.digest,
        .party = signing->contract.parties[signing->self].name,
        .time = world_now(&invocation->world),
    };
    scoped_json *payload = NULL;
    TRY(revocation_build(&revocation, &payload));
    return jws_sign(payload, REVOCATION_TYP, NULL, &signing->keystore.signing, out);
}

fallible contract_run_revoke(struct invocation *invocation)
{
    defer(signing_release) struct signing signing = {.path = invocation_argument(invocation, 0)};
    scoped_buffer revocation;
    scoped_host_link link = {0};
    scoped_json *json = json_object();
    const char *hex;
    const char *out = option_value(&invocation->options, "out");
    buffer_init(&revocation, JWS_SIZE_MAX);
    TRY(contract_open(invocation, 0, &signing.contract));
    TRY(invocation_unlock(invocation, &signing.party, &signing.keystore));
    TRY(agreement_find_self(&signing.contract, &signing.keystore.card.fingerprint, &signing.self));
    if (signing.contract.parties[signing.self].is_owner) {
        TRY(disable_own_key(invocation, &signing.party, &signing.contract));
    }
    TRY(sign_revocation(invocation, &signing, &revocation));
    if (out != NULL) {
        TRY(file_write(out, buffer_view(&revocation), FILE_PUBLIC));
    }
    TRY(agreement_hex(invocation->arena, &signing.contract.document.digest, &hex));
    struct result result = host_link_open(invocation->arena, signing.party.folder, &link);
    if (result_is_ok(result)) {
        result = host_link_post(&link, invocation->arena,
                                arena_where(invocation->arena, "/v1/contracts/%s/revocations", hex),
                                buffer_view(&revocation), NULL);
    }
    if (!result_is_ok(result)) {
        return invocation_advise(
            invocation, result,
            "%s The host was not told. With --out FILE the revocation is a "
            "file that you can send to its operator.",
            signing.contract.parties[signing.self].is_owner ? "Your release key is disabled." : "");
    }
    screen_line(&invocation->screen, "the host has the revocation");
    TRY(json_set_text(json, "revoked", text_of(hex)));
    return screen_json(&invocation->screen, json);
}
