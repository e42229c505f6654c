#include "setting.h"

#include "attest/release_policy.h"
#include "base/encode.h"
#include "chance.h"
#include "engine.h"
#include "seal/part.h"
#include "service/http/percent.h"
#include "service/setup/file.h"
#include "service/vault/parts.h"
#include "tee/sim_init.h"
#include "wire.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 40000, COLUMNS = 2, COPIES = 40, ARENA_BYTES = 64 << 20 };

static const char *const names[PARTIES] = {"analyst", "bureau", "insurer"};
static const uint8_t measurement[TEE_MEASUREMENT_BYTES] = {9, 8, 7};
static const uint8_t rogue_measurement[TEE_MEASUREMENT_BYTES] = {6, 6, 6};

static struct text path_in(struct setting *setting, const char *name)
{
    struct text path;
    MUST(arena_printf(&setting->arena, &path, "%.*s/%s", TEXT_ARGS(setting->folder), name));
    return path;
}

/* ---- Datasets ---- */

/* Pages of a granted and of another column, each with its canaries in clear, and metadata that is
 * well-formed. */
static void make_plaintext(struct manifest_part *part, struct manifest_range chunks[COLUMNS],
                           struct buffer *out)
{
    static const char *const canaries[COLUMNS] = {ENGINE_GRANTED, ENGINE_DENIED};
    buffer_init(out, 1 << 20);
    MUST(buffer_add_text(out, TEXT("PAR1")));
    for (size_t column = 0; column < COLUMNS; column++) {
        uint8_t *at;
        chunks[column] = (struct manifest_range){out->size, CHUNK_BYTES};
        MUST(buffer_extend(out, CHUNK_BYTES, &at));
        memset(at, 'a' + (int)column, CHUNK_BYTES);
        for (size_t i = 0; i < COPIES; i++) {
            memcpy(at + i * (CHUNK_BYTES / COPIES), canaries[column], strlen(canaries[column]));
        }
        part->columns[column].chunks = &chunks[column];
    }
    part->data_end = out->size;
    for (size_t column = 0; column < COLUMNS; column++) {
        part->columns[column].meta = (struct manifest_range){out->size, 9};
        MUST(buffer_add_u32le(out, 1));
        MUST(buffer_add_byte(out, 0));
        MUST(buffer_add_u32le(out, 0));
    }
    part->plain_size = out->size;
}

static void seal_part(struct setting *setting, struct setting_owner *owner, struct bytes plain,
                      struct manifest_part *part)
{
    struct bytes associated;
    scoped_stream_key key = {0};
    scoped_stream stream = {0};
    struct digest leaves[8];
    MUST(part_associated_data(&setting->arena, text_of(owner->dataset), 1, 0, &associated));
    MUST(stream_key_new(&setting->world, &owner->data_key, associated, &key));
    MUST(stream_open_for_sealing(&key, &stream));
    buffer_init(&owner->ciphertext, 1 << 20);
    buffer_init(&owner->leaves, 4096);
    part->segment_count = stream_segment_count(plain.size);
    for (uint64_t i = 0; i < part->segment_count; i++) {
        struct stream_segment segment;
        uint8_t out[STREAM_SEGMENT_BYTES];
        size_t size;
        MUST(stream_segment_at(plain.size, i, &segment));
        struct bytes piece = {plain.data + segment.plain_offset, segment.plain_size};
        MUST(stream_seal_segment(&stream, i, segment.is_last, piece, out, &size));
        leaves[i] = merkle_leaf((struct bytes){out, size});
        MUST(buffer_add(&owner->ciphertext, (struct bytes){out, size}));
        MUST(buffer_add(&owner->leaves, digest_view(&leaves[i])));
    }
    MUST(merkle_root(&setting->arena, leaves, part->segment_count, &part->root));
    part->size = owner->ciphertext.size;
}

static json_t *sign(const json_t *payload, const char *typ, const json_t *header, const struct key *key)
{
    scoped_buffer buffer;
    json_t *document;
    buffer_init(&buffer, JWS_SIZE_MAX);
    MUST(jws_sign(payload, typ, header, key, &buffer));
    MUST(json_decode(buffer_view(&buffer), &document));
    return document;
}

static struct digest digest_of_payload(struct setting *setting, const json_t *payload)
{
    struct text text;
    MUST(json_encode_text(&setting->arena, payload, &text));
    return digest_of(bytes_of_text(text));
}

static void make_policy(struct setting *setting, struct setting_owner *owner, const struct key *key,
                        const struct digest *data)
{
    struct policy_column columns[COLUMNS] = {{TEXT("id"), POLICY_USE_APPROVED},
                                             {TEXT("private"), POLICY_USE_APPROVED}};
    struct policy policy = {.dataset = text_of(owner->dataset),
                            .owner = text_of(owner->name),
                            .has_data = true,
                            .data = *data,
                            .mode = POLICY_MODE_APPROVED,
                            .columns = columns,
                            .column_count = COLUMNS,
                            .max_rows = 1000};
    scoped_json *payload = NULL;
    MUST(policy_build(&policy, &payload));
    owner->policy_digest = digest_of_payload(setting, payload);
    owner->policy = sign(payload, POLICY_TYP, NULL, key);
}

static void make_dataset(struct setting *setting, struct setting_owner *owner, const struct key *key)
{
    static uint64_t rows[1] = {COPIES};
    static const uint8_t element[] = {0};
    struct manifest_column columns[COLUMNS] = {{TEXT("id"), {COLUMN_BIGINT, 0, 0}, BYTES_OF(element)},
                                               {TEXT("private"), {COLUMN_BIGINT, 0, 0}, BYTES_OF(element)}};
    struct manifest_part_column part_columns[COLUMNS];
    struct manifest_range chunks[COLUMNS];
    struct manifest_part part = {
        .rows = COPIES, .group_rows = rows, .group_count = 1, .columns = part_columns};
    struct manifest manifest = {.dataset = text_of(owner->dataset),
                                .version = 1,
                                .owner = text_of(owner->name),
                                .created = CHANCE_START - 86400,
                                .rows = COPIES,
                                .columns = columns,
                                .column_count = COLUMNS,
                                .parts = &part,
                                .part_count = 1};
    scoped_buffer plain;
    scoped_json *payload = NULL;
    MUST(secret_random(&setting->world, 32, &owner->data_key));
    make_plaintext(&part, chunks, &plain);
    seal_part(setting, owner, buffer_view(&plain), &part);
    MUST(manifest_data_root(&setting->arena, &part, 1, &manifest.data));
    make_policy(setting, owner, key, &manifest.data);
    manifest.policy = owner->policy_digest;
    MUST(part_key_commitment(&setting->arena, &owner->data_key, manifest.dataset, 1,
                             &manifest.key_commitment));
    MUST(manifest_build(&manifest, &payload));
    owner->manifest_digest = digest_of_payload(setting, payload);
    owner->manifest = sign(payload, MANIFEST_TYP, NULL, key);
}

/* ---- Services ---- */

static void make_attest(struct setting *setting)
{
    struct text folder = path_in(setting, "attest");
    struct text simulation = path_in(setting, "simulation.json");
    scoped_buffer root_pem;
    scoped_json *connection = NULL;
    buffer_init(&root_pem, 65536);
    struct text chip = path_in(setting, "chip");
    MUST(folder_create(chip));
    MUST(folder_create(folder));
    MUST(simulation_make(&setting->world, chip.data, &root_pem, &setting->root));
    MUST(sim_chip_open(chip.data, BYTES_OF(measurement), &setting->chip));
    MUST(sim_chip_open(chip.data, BYTES_OF(rogue_measurement), &setting->rogue));
    MUST(simulation_connection(buffer_text(&root_pem), &setting->root, BYTES_OF(measurement), &connection));
    MUST(file_write_json(simulation, connection));
    struct authority_options options = {
        .folder = folder, .url = TEXT(ATTEST_URL), .simulations = &simulation, .simulation_count = 1};
    MUST(authority_create(&setting->world, &setting->arena, &options));
    MUST(authority_open(&setting->arena, folder, &setting->authority));
    setting->attest = (struct attest_service){&setting->authority, &setting->world};
}

static void serve_attest(struct setting *setting)
{
    struct http_server_options options = {.routes = attest_routes,
                                          .route_count = attest_route_count,
                                          .case_blind_paths = true,
                                          .self = &setting->attest,
                                          .fail = attest_service_fail};
    wire_serve(8001, &options);
}

static void make_vault(struct setting *setting, struct setting_owner *owner)
{
    owner->folder = path_in(setting, owner->name);
    struct vault_init_options options = {.folder = owner->folder,
                                         .party = text_of(owner->name),
                                         .url = text_of(owner->vault_url),
                                         .one_release_per_run = true};
    MUST(vault_init(&setting->world, &options));
    MUST(vault_connect(&setting->arena, owner->folder, path_in(setting, "attest/authority.json")));
}

/* ---- An owner's calls to its vault ---- */

static json_t *call(struct setting *setting, enum http_method method, struct text url, const char *type,
                    struct text body, struct text token)
{
    struct http_client client = {0};
    struct http_answer answer;
    json_t *json;
    struct text authorization;
    MUST(arena_printf(&setting->arena, &authorization, "Bearer %.*s", TEXT_ARGS(token)));
    struct http_call one = {.method = method,
                            .url = url,
                            .body = bytes_of_text(body),
                            .headers = {{"Content-Type", text_of(type)}, {"Authorization", authorization}}};
    MUST(http_client_call(&client, &setting->arena, &one, &answer));
    MUST(http_answer_check(&answer));
    MUST(json_decode(answer.body, &json));
    return json;
}

static struct text log_in(struct setting *setting, const struct setting_owner *owner)
{
    scoped_json *file = NULL;
    struct text path, id, secret, tenant, form, url, scope, token;
    MUST(path_join(&setting->arena, owner->folder, "vault.json", &path));
    MUST(file_read_json(&setting->arena, path, &file));
    MUST(json_get_text(file, "client_id", &id));
    MUST(json_get_text(file, "client_secret", &secret));
    MUST(json_get_text(file, "tenant", &tenant));
    MUST(percent_encode(&setting->arena, secret, &secret));
    MUST(percent_encode(&setting->arena, TEXT("https://vault.azure.net/.default"), &scope));
    MUST(arena_printf(&setting->arena, &form,
                      "grant_type=client_credentials&client_id=%.*s&client_secret=%.*s&scope=%.*s",
                      TEXT_ARGS(id), TEXT_ARGS(secret), TEXT_ARGS(scope)));
    MUST(arena_printf(&setting->arena, &url, "%s/%.*s/oauth2/v2.0/token", owner->vault_url,
                      TEXT_ARGS(tenant)));
    scoped_json *answer =
        call(setting, HTTP_POST, url, "application/x-www-form-urlencoded", form, (struct text){0});
    MUST(json_get_text(answer, "access_token", &token));
    MUST(arena_copy_text(&setting->arena, token, &token));
    return token;
}

static void make_release_key(struct setting *setting, struct setting_owner *owner, struct bytes policy,
                             struct key *out)
{
    scoped_json *body =
        json_pack("{s:s,s:i,s:[s,s],s:{s:b,s:b,s:I},s:{s:s,s:b}}", "kty", "RSA", "key_size", 2048, "key_ops",
                  "wrapKey", "unwrapKey", "attributes", "enabled", 1, "exportable", 1, "exp",
                  (json_int_t)(CHANCE_START + 30 * 86400), "release_policy", "contentType",
                  "application/json; charset=utf-8", "immutable", 1);
    struct text text, url, kid;
    MUST(json_set_base64url(json_object_get(body, "release_policy"), "data", policy));
    MUST(json_encode_text(&setting->arena, body, &text));
    MUST(arena_printf(&setting->arena, &url, "%s/keys/release/create?api-version=7.4", owner->vault_url));
    scoped_json *bundle = call(setting, HTTP_POST, url, "application/json", text, log_in(setting, owner));
    json_t *key = json_object_get(bundle, "key");
    MUST(key_from_jwk(key, out));
    MUST(json_get_text(key, "kid", &kid));
    const char *version = strrchr(kid.data, '/') + 1;
    MUST(arena_copy_text(&setting->arena, text_of(version), &owner->key_version));
}

void setting_disable(struct setting *setting, size_t number)
{
    struct setting_owner *owner = &setting->owners[number];
    struct text url;
    MUST(arena_printf(&setting->arena, &url, "%s/keys/release/%.*s?api-version=7.4", owner->vault_url,
                      TEXT_ARGS(owner->key_version)));
    scoped_json *bundle = call(setting, HTTP_PATCH, url, "application/json",
                               TEXT("{\"attributes\":{\"enabled\":false}}"), log_in(setting, owner));
    ASSERT(json_is_false(json_object_get(json_object_get(bundle, "attributes"), "enabled")));
}

/* ---- The agreement ---- */

static void fill_parties(const struct setting *setting, struct contract_party out[PARTIES])
{
    for (size_t i = 0; i < PARTIES; i++) {
        out[i] = (struct contract_party){
            .name = text_of(names[i]), .signing = setting->signing[i], .result = setting->result[i]};
    }
}

static json_t *contract_payload(struct setting *setting)
{
    static const uint8_t salt[CONTRACT_SALT_BYTES] = {1};
    static struct text id[] = {TEXT("id")};
    static struct contract_read reads[] = {{1, id, 1}, {0, id, 1}}; /* by table: claims, flights */
    static struct column output[] = {{TEXT("answer"), {COLUMN_VARCHAR}}, {TEXT("hits"), {COLUMN_BIGINT}}};
    static size_t queriers[] = {PARTY_ANALYST}, recipients[] = {PARTY_ANALYST};
    struct contract_party parties[PARTIES];
    struct contract_dataset datasets[OWNERS];
    struct contract_authority authorities[OWNERS];
    struct digest pin, policy_hash = {{0}};
    struct bytes hash;
    fill_parties(setting, parties);
    MUST(key_pin(&setting->authority.signing_key, &pin));
    MUST(decode_base64url(&setting->arena, setting->authority.policy_hash, &hash));
    memcpy(policy_hash.octets, hash.data, sizeof policy_hash.octets);
    for (size_t i = 0; i < OWNERS; i++) {
        const struct setting_owner *owner = &setting->owners[i];
        datasets[i] = (struct contract_dataset){.table = text_of(owner->table),
                                                .dataset = text_of(owner->dataset),
                                                .owner = PARTY_BUREAU + i,
                                                .manifest = owner->manifest_digest,
                                                .policy = owner->policy_digest};
        authorities[i] =
            (struct contract_authority){PARTY_BUREAU + i, TEXT(ATTEST_URL), &pin, 1, policy_hash};
    }
    struct contract_query query = {.name = TEXT("both"),
                                   .sql = TEXT(ENGINE_SQL),
                                   .reads = reads,
                                   .read_count = 2,
                                   .output = output,
                                   .output_count = 2,
                                   .max_rows = 10,
                                   .max_bytes = 4096,
                                   .seconds = 60,
                                   .memory_mb = 1024};
    struct contract_tee tee = {TEXT("sim"), CONTRACT_FAMILY_SIM, BYTES_OF(measurement), true, setting->root};
    struct text residency[] = {TEXT("Germany")};
    struct contract contract = {.title = TEXT("Simulation"),
                                .salt = BYTES_OF(salt),
                                .parties = parties,
                                .party_count = PARTIES,
                                .datasets = datasets,
                                .dataset_count = OWNERS,
                                .queries = &query,
                                .query_count = 1,
                                .queriers = queriers,
                                .querier_count = 1,
                                .recipients = recipients,
                                .recipient_count = 1,
                                .tees = &tee,
                                .tee_count = 1,
                                .authorities = authorities,
                                .authority_count = OWNERS,
                                .residency = residency,
                                .residency_count = 1,
                                .valid_from = CHANCE_START - 86400,
                                .valid_until = CHANCE_START + 30 * 86400};
    json_t *payload;
    MUST(contract_build(&contract, &payload));
    return payload;
}

static void make_grant(struct setting *setting, struct setting_owner *owner, const struct key *key)
{
    struct text hex;
    struct bytes policy;
    scoped_key release_key = {0};
    scoped_buffer wrapped;
    scoped_json *payload = NULL;
    MUST(encode_hex(&setting->arena, BYTES_OF(measurement), &hex));
    struct release_policy_authority authority = {TEXT(ATTEST_URL), setting->authority.policy_hash};
    struct release_policy_tee tee = {TEXT("sim"), hex, setting->root};
    MUST(release_policy_build(&setting->arena, &authority, 1, &tee, 1, &setting->contract_digest, &policy));
    make_release_key(setting, owner, policy, &release_key);
    buffer_init(&wrapped, GRANT_WRAPPED_BYTES_MAX);
    MUST(key_oaep_encrypt(&release_key, KEY_OAEP_SHA256, &owner->data_key, &wrapped));
    struct grant_key row = {text_of(owner->dataset), 1, buffer_view(&wrapped)};
    struct grant grant = {.contract = setting->contract_digest,
                          .owner = text_of(owner->name),
                          .vault = text_of(owner->vault_url),
                          .key = TEXT("release"),
                          .version = owner->key_version,
                          .release_policy = digest_of(policy),
                          .keys = &row,
                          .key_count = 1};
    MUST(grant_build(&grant, &payload));
    owner->grant_digest = digest_of_payload(setting, payload);
    owner->grant = sign(payload, GRANT_TYP, NULL, key);
}

static void add_signature(struct setting *setting, const json_t *header, const struct key *key)
{
    static const char *const members[] = {"explain", "grant", NULL};
    struct text text;
    scoped_jws jws = {0};
    scoped_buffer buffer;
    buffer_init(&buffer, JWS_SIZE_MAX);
    MUST(json_encode_text(&setting->arena, setting->contract, &text));
    MUST(jws_parse(&setting->arena, bytes_of_text(text), CONTRACT_TYP, members, &jws));
    MUST(jws_add_signature(&setting->arena, &jws, CONTRACT_TYP, header, key, &buffer));
    json_decref(setting->contract);
    MUST(json_decode(buffer_view(&buffer), &setting->contract));
}

static void sign_contract(struct setting *setting, const json_t *payload)
{
    struct text text;
    scoped_contract contract = {0};
    MUST(json_encode_text(&setting->arena, payload, &text));
    MUST(contract_parse_payload(&setting->arena, bytes_of_text(text), &contract));
    for (size_t i = 0; i < PARTIES; i++) {
        scoped_json *header = NULL;
        const struct digest *grant =
            i >= PARTY_BUREAU ? &setting->owners[i - PARTY_BUREAU].grant_digest : NULL;
        MUST(contract_build_header(&setting->arena, &contract, grant, &header));
        if (i == 0) {
            setting->contract = sign(payload, CONTRACT_TYP, header, &setting->signing[i]);
        } else {
            add_signature(setting, header, &setting->signing[i]);
        }
    }
}

static const char *digest_cstring(struct setting *setting, const struct digest *digest)
{
    struct text text;
    MUST(digest_to_text(&setting->arena, digest, &text));
    return text.data;
}

static void make_trust(struct setting *setting)
{
    struct digest pin;
    struct text hex, text;
    MUST(key_pin(&setting->authority.signing_key, &pin));
    MUST(encode_hex(&setting->arena, BYTES_OF(measurement), &hex));
    scoped_json *trust =
        json_pack("{s:s,s:[],s:[{s:s,s:[s],s:s%}],s:[{s:s,s:s}],s:[{s:s,s:s}]}", "type", "trust/1", "parties",
                  "authorities", "issuer", ATTEST_URL, "keys", digest_cstring(setting, &pin), "policy_hash",
                  TEXT_SIZED(setting->authority.policy_hash), "measurements", "type", "sim", "measurement",
                  hex.data, "roots", "type", "sim", "pin", digest_cstring(setting, &setting->root));
    for (size_t i = 0; i < PARTIES; i++) {
        struct digest fingerprint;
        MUST(key_thumbprint(&setting->signing[i], &fingerprint));
        MUST(json_add(
            json_object_get(trust, "parties"),
            json_pack("{s:s,s:s}", "name", names[i], "fingerprint", digest_cstring(setting, &fingerprint))));
    }
    MUST(json_encode_text(&setting->arena, trust, &text));
    setting->trust = bytes_of_text(text);
}

static void make_keys(struct setting *setting)
{
    for (size_t i = 0; i < PARTIES; i++) {
        MUST(key_generate(KEY_EC_P256, 0, &setting->signing[i]));
        MUST(key_generate(KEY_EC_P256, 0, &setting->result[i]));
    }
    MUST(key_generate(KEY_EC_P256, 0, &setting->stranger));
    for (size_t i = 0; i < SPARE_KEYS; i++) {
        scoped_key key = {0};
        MUST(key_generate(KEY_RSA, 2048, &key));
        MUST(key_to_pkcs8(&key, &setting->spare[i]));
    }
}

void setting_make(struct setting *out)
{
    static const struct setting_owner owners[OWNERS] = {{.name = "bureau",
                                                         .dataset = "bureau/flights",
                                                         .table = "flights",
                                                         .vault_url = "https://bureau.example:8002"},
                                                        {.name = "insurer",
                                                         .dataset = "insurer/claims",
                                                         .table = "claims",
                                                         .vault_url = "https://insurer.example:8003"}};
    static char folder[64];
    *out = (struct setting){.world = chance_world()};
    memcpy(out->owners, owners, sizeof owners);
    arena_init(&out->arena, ARENA_BYTES);
    bool has_memory = access("/dev/shm", W_OK) == 0;
    snprintf(folder, sizeof folder, "%s/truce-simulation-XXXXXX", has_memory ? "/dev/shm" : "/tmp");
    ASSERT(mkdtemp(folder) != NULL);
    out->folder = text_of(folder);
    make_keys(out);
    make_attest(out);
    for (size_t i = 0; i < OWNERS; i++) {
        make_dataset(out, &out->owners[i], &out->signing[PARTY_BUREAU + i]);
        make_vault(out, &out->owners[i]);
    }
    scoped_json *payload = contract_payload(out);
    out->contract_digest = digest_of_payload(out, payload);
    serve_attest(out);
    for (size_t i = 0; i < OWNERS; i++) {
        struct setting_owner *owner = &out->owners[i];
        MUST(vault_open(&out->world, &(struct vault_options){.folder = owner->folder}, &owner->vault));
        make_grant(out, owner, &out->signing[PARTY_BUREAU + i]);
        vault_close(owner->vault);
    }
    wire_forget();
    sign_contract(out, payload);
    make_trust(out);
}

/* ---- One run of the simulation ---- */

static void remove_tree(struct arena *arena, struct text path)
{
    const char *command = arena_where(arena, "rm -rf '%.*s'", TEXT_ARGS(path));
    ASSERT(system(command) == 0);
}

static void copy_file(struct text from, struct text to)
{
    FILE *in = fopen(from.data, "rb");
    FILE *out = fopen(to.data, "wb");
    ASSERT(in != NULL && out != NULL && fchmod(fileno(out), 0600) == 0);
    char octets[1 << 16];
    size_t size;
    while ((size = fread(octets, 1, sizeof octets, in)) > 0) {
        ASSERT(fwrite(octets, 1, size, out) == size);
    }
    fclose(in);
    fclose(out);
}

static void copy_folder(struct arena *arena, struct text from, struct text to)
{
    MUST(folder_create(to));
    DIR *folder = opendir(from.data);
    ASSERT(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct text source, target;
        if (entry->d_name[0] == '.') {
            continue;
        }
        MUST(path_join(arena, from, entry->d_name, &source));
        MUST(path_join(arena, to, entry->d_name, &target));
        if (entry->d_type == DT_DIR) {
            copy_folder(arena, source, target);
        } else {
            copy_file(source, target);
        }
    }
    closedir(folder);
}

void setting_open(struct setting *setting, const bool once[OWNERS])
{
    /* An RSA key draws random numbers at its first use: it must be a new one in each run. */
    authority_release(&setting->authority);
    MUST(authority_open(&setting->arena, path_in(setting, "attest"), &setting->authority));
    serve_attest(setting);
    for (size_t i = 0; i < OWNERS; i++) {
        struct setting_owner *owner = &setting->owners[i];
        struct text template = path_in(setting, owner->name);
        MUST(arena_printf(&setting->arena, &owner->folder, "%.*s.now", TEXT_ARGS(template)));
        copy_folder(&setting->arena, template, owner->folder);
        MUST(vault_open(&setting->world, &(struct vault_options){.folder = owner->folder}, &owner->vault));
        owner->vault->one_release_per_run = once[i];
    }
}

void setting_close(struct setting *setting)
{
    for (size_t i = 0; i < OWNERS; i++) {
        vault_close(setting->owners[i].vault);
        remove_tree(&setting->arena, setting->owners[i].folder);
    }
    wire_forget();
}

void setting_release(struct setting *setting)
{
    remove_tree(&setting->arena, setting->folder);
}

json_t *setting_request(struct setting *setting, struct arena *arena, const char *querier,
                        const struct key *key, const char *run, const char *recipient, int64_t not_after)
{
    struct text recipients[] = {text_of(recipient)};
    struct run_request request = {.contract = setting->contract_digest,
                                  .query = TEXT("both"),
                                  .run = text_of(run),
                                  .querier = text_of(querier),
                                  .recipients = recipients,
                                  .recipient_count = 1,
                                  .not_after = not_after};
    scoped_json *payload = NULL;
    (void)arena;
    MUST(run_request_build(&request, &payload));
    return sign(payload, RUN_REQUEST_TYP, NULL, key);
}
