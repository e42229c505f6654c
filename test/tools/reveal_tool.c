/* For tests that look for keys where they must not be: prints the secrets of a party or of its vault as "name
 * hex".
 *
 *     reveal-tool party FOLDER PASSPHRASE_FILE [DATASET_FOLDER...]
 *     reveal-tool vault FOLDER                                      (a copy: the vault itself need not stop)
 */
#include "base/world.h"
#include "contract/manifest.h"
#include "party/dataset/verify.h"
#include "party/home/file.h"
#include "party/home/keystore.h"
#include "service/state/state.h"

#include <stdio.h>

enum { ARENA_BYTES_MAX = 64 * 1024 * 1024, ROWS_MAX = 256 };

static void print_secret(const char *kind, struct text name, const struct secret *secret)
{
    struct bytes octets = secret_view(secret);
    printf("%s:%.*s ", kind, TEXT_ARGS(name));
    for (size_t i = 0; i < octets.size; i++) {
        printf("%02x", octets.data[i]);
    }
    printf("\n");
}

static fallible print_key(const char *kind, struct text name, const struct key *key)
{
    scoped_secret pkcs8 = {0};
    TRY(key_to_pkcs8(key, &pkcs8));
    print_secret(kind, name, &pkcs8);
    return OK;
}

static fallible print_dataset(struct arena *arena, const char *folder, const struct secret *storage)
{
    scoped_dataset_documents documents = {0};
    scoped_secret key = {0};
    TRY(dataset_load(arena, folder, &documents));
    TRY(dataset_open_key(folder, &documents.manifest, storage, &key));
    print_secret("data", documents.manifest.dataset, &key);
    return OK;
}

static fallible read_passphrase(struct arena *arena, const char *path, struct secret *out)
{
    struct bytes line;
    TRY(file_read(arena, path, &line));
    while (line.size > 0 && line.data[line.size - 1] == '\n') {
        line.size--;
    }
    return secret_from(line, out);
}

static fallible print_party(struct arena *arena, int count, char **words)
{
    REQUIRE(count >= 2, INVALID, "reveal.arguments");
    scoped_secret passphrase = {0};
    scoped_keystore keystore = {0};
    TRY(read_passphrase(arena, words[1], &passphrase));
    TRY(keystore_open(arena, words[0], &passphrase, &keystore));
    TRY(print_key("private", TEXT("signing"), &keystore.signing));
    TRY(print_key("private", TEXT("result"), &keystore.result));
    print_secret("storage", TEXT("key"), &keystore.storage);
    for (int i = 2; i < count; i++) {
        TRY(print_dataset(arena, words[i], &keystore.storage));
    }
    return OK;
}

static fallible print_vault(struct arena *arena, const struct world *world, const char *folder)
{
    const char *key_path;
    const char *state_path;
    scoped_secret master_key = {0};
    struct bytes octets; /* not a line of text: it may hold any octet */
    struct state *state;
    TRY(file_path(arena, folder, "master.key", &key_path));
    TRY(file_path(arena, folder, "state.db", &state_path));
    TRY(file_read(arena, key_path, &octets));
    TRY(secret_from(octets, &master_key));
    print_secret("vault", TEXT("master"), &master_key);
    TRY(state_open(text_of(state_path), &master_key, world, &state));
    scoped_state_transaction transaction = {0};
    TRY(state_begin(state, &transaction));
    struct text names[ROWS_MAX];
    size_t count;
    TRY(state_list(&transaction, arena, "material", TEXT(""), TEXT(""), ROWS_MAX, names, &count));
    for (size_t i = 0; i < count; i++) {
        scoped_secret material = {0};
        TRY(state_get(&transaction, "material", names[i], &material));
        print_secret("release", names[i], &material);
    }
    state_rollback(&transaction);
    state_close(state);
    return OK;
}

static fallible reveal(struct arena *arena, int count, char **words)
{
    struct world world = world_of_system();
    REQUIRE(count >= 2, INVALID, "reveal.arguments");
    if (text_is(text_of(words[0]), "vault")) {
        return print_vault(arena, &world, words[1]);
    }
    return print_party(arena, count - 1, words + 1);
}

int main(int count, char **arguments)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct result result = reveal(&arena, count - 1, arguments + 1);
    if (!result_is_ok(result)) {
        fprintf(stderr, "%s %s\n", result.why, result.where == NULL ? "" : result.where);
    }
    return result_code_exit_status(result.code);
}
