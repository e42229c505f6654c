#include "party/home/keystore.h"

#include "base/encode.h"
#include "jose/jwe.h"
#include "party/home/file.h"

static const char storage_typ[] = "truce-storage+jwe";
enum { STORAGE_BYTES = 32, KEY_FILE_BYTES_MAX = 64 * 1024, SCRATCH_BYTES = 1024 * 1024 };

/* In the order in which a rotation replaces them: the card is written last as `.next` and replaced last, so
 * that its `.next` says that all others are complete. */
static const char *const key_files[] = {"signing.pem", "result.pem", "storage.jwe", "card.json"};
enum { KEY_FILE_COUNT = 4 };

void keystore_release(struct keystore *keystore)
{
    card_release(&keystore->card);
    key_release(&keystore->signing);
    key_release(&keystore->result);
    secret_release(&keystore->storage);
}

static fallible write_key_file(struct arena *arena, const char *folder, const char *name, const char *suffix,
                               struct bytes content)
{
    const char *path;
    TRY(file_path(arena, folder, arena_where(arena, "%s%s", name, suffix), &path));
    return file_write(path, content, FILE_PRIVATE);
}

static fallible write_encrypted_key(struct arena *arena, const char *folder, const char *name,
                                    const char *suffix, const struct key *key,
                                    const struct secret *passphrase)
{
    scoped_buffer pem;
    buffer_init(&pem, KEY_FILE_BYTES_MAX);
    TRY(key_to_encrypted_pem(key, passphrase, &pem));
    return write_key_file(arena, folder, name, suffix, buffer_view(&pem));
}

static fallible write_storage(struct arena *arena, const struct world *world, const char *folder,
                              const char *suffix, const struct secret *storage, const struct key *result)
{
    scoped_buffer document;
    buffer_init(&document, KEY_FILE_BYTES_MAX);
    TRY(jwe_encrypt(world, storage_typ, secret_view(storage), result, 1, &document));
    return write_key_file(arena, folder, "storage.jwe", suffix, buffer_view(&document));
}

/* Makes fresh keys and writes all four files with `suffix`. */
static fallible write_fresh(struct arena *arena, const struct world *world, const char *folder,
                            const char *suffix, struct text name, const struct secret *passphrase,
                            const struct secret *storage, const struct key *previous)
{
    scoped_key signing = {0};
    scoped_key result = {0};
    scoped_buffer card;
    buffer_init(&card, KEY_FILE_BYTES_MAX);
    TRY(key_generate(KEY_EC_P256, 0, &signing));
    TRY(key_generate(KEY_EC_P256, 0, &result));
    TRY(card_make(world, name, &signing, &result, previous, &card));
    TRY(write_encrypted_key(arena, folder, "signing.pem", suffix, &signing, passphrase));
    TRY(write_encrypted_key(arena, folder, "result.pem", suffix, &result, passphrase));
    TRY(write_storage(arena, world, folder, suffix, storage, &result));
    return write_key_file(arena, folder, "card.json", suffix, buffer_view(&card));
}

/* Puts files that end in `.next` into place, once all of them are there. */
static fallible settle(struct arena *arena, const char *folder)
{
    const char *mark;
    TRY(file_path(arena, folder, "card.json.next", &mark));
    if (!file_exists(mark)) {
        return OK;
    }
    for (size_t i = 0; i < KEY_FILE_COUNT; i++) {
        const char *from;
        const char *to;
        TRY(file_path(arena, folder, arena_where(arena, "%s.next", key_files[i]), &from));
        TRY(file_path(arena, folder, key_files[i], &to));
        if (file_exists(from)) {
            TRY(file_rename(from, to));
        }
    }
    return OK;
}

fallible keystore_create(const struct world *world, const char *folder, struct text name,
                         const struct secret *passphrase)
{
    scoped_arena arena;
    arena_init(&arena, SCRATCH_BYTES);
    const char *card;
    REQUIRE(text_is_name(name), INVALID, "card.name");
    TRY(file_path(&arena, folder, "card.json", &card));
    REQUIRE(!file_exists(card), CONFLICT, "keystore.exists");
    static const char *const folders[] = {"trusted", "connections", "datasets", "former"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        const char *path;
        TRY(file_path(&arena, folder, folders[i], &path));
        TRY(file_make_folder(path));
    }
    scoped_secret storage = {0};
    TRY(secret_random(world, STORAGE_BYTES, &storage));
    TRY(write_fresh(&arena, world, folder, ".next", name, passphrase, &storage, NULL));
    return settle(&arena, folder);
}

static fallible read_key_file(struct arena *arena, const char *folder, const char *name, struct bytes *out)
{
    const char *path;
    TRY(file_path(arena, folder, name, &path));
    return file_read(arena, path, out);
}

static fallible read_encrypted_key(struct arena *arena, const char *folder, const char *name,
                                   const struct secret *passphrase, struct key *out)
{
    struct bytes pem;
    TRY(read_key_file(arena, folder, name, &pem));
    return key_from_encrypted_pem(pem, passphrase, out);
}

static fallible read_storage(struct arena *arena, const char *folder, const struct key *result,
                             struct secret *out)
{
    struct bytes document;
    TRY(read_key_file(arena, folder, "storage.jwe", &document));
    scoped_buffer plaintext;
    buffer_init(&plaintext, KEY_FILE_BYTES_MAX);
    TRY(jwe_decrypt(arena, document, storage_typ, result, &plaintext));
    struct result taken = plaintext.size == STORAGE_BYTES ? secret_from(buffer_view(&plaintext), out)
                                                          : FAIL(CORRUPT, "keystore.storage");
    wipe(plaintext.data, plaintext.size);
    return taken;
}

fallible keystore_card(struct arena *arena, const char *folder, struct card *out)
{
    struct bytes document;
    TRY(settle(arena, folder));
    TRY(read_key_file(arena, folder, "card.json", &document));
    return card_read(arena, document, out);
}

static fallible check_pair(const struct key *own, const struct key *in_card)
{
    struct digest left;
    struct digest right;
    TRY(key_thumbprint(own, &left));
    TRY(key_thumbprint(in_card, &right));
    REQUIRE(digest_equal(&left, &right), CORRUPT, "keystore.mismatch");
    return OK;
}

fallible keystore_open(struct arena *arena, const char *folder, const struct secret *passphrase,
                       struct keystore *out)
{
    scoped_keystore keystore = {0};
    TRY(keystore_card(arena, folder, &keystore.card));
    TRY(read_encrypted_key(arena, folder, "signing.pem", passphrase, &keystore.signing));
    TRY(read_encrypted_key(arena, folder, "result.pem", passphrase, &keystore.result));
    TRY(check_pair(&keystore.signing, &keystore.card.signing));
    TRY(check_pair(&keystore.result, &keystore.card.result));
    TRY(read_storage(arena, folder, &keystore.result, &keystore.storage));
    *out = keystore;
    keystore = (struct keystore){0};
    return OK;
}

static fallible keep_former(struct arena *arena, const char *folder, const struct card *card)
{
    struct text hex;
    struct text when;
    const char *former;
    TRY(encode_hex(arena, (struct bytes){card->fingerprint.octets, 8}, &hex));
    TRY(encode_time(arena, card->created, &when));
    const char *name = arena_where(arena, "former/%.*s-%.*s", TEXT_ARGS(when), TEXT_ARGS(hex));
    TRY(file_path(arena, folder, name, &former));
    TRY(file_make_folder(former));
    for (size_t i = 0; i < KEY_FILE_COUNT; i++) {
        struct bytes content;
        TRY(read_key_file(arena, folder, key_files[i], &content));
        TRY(write_key_file(arena, former, key_files[i], "", content));
    }
    return OK;
}

fallible keystore_rotate(const struct world *world, const char *folder, const struct secret *passphrase)
{
    scoped_arena arena;
    arena_init(&arena, SCRATCH_BYTES);
    scoped_keystore keystore = {0};
    TRY(keystore_open(&arena, folder, passphrase, &keystore));
    TRY(keep_former(&arena, folder, &keystore.card));
    TRY(write_fresh(&arena, world, folder, ".next", keystore.card.name, passphrase, &keystore.storage,
                    &keystore.signing));
    return settle(&arena, folder);
}

fallible keystore_former_result_keys(struct arena *arena, const char *folder, const struct secret *passphrase,
                                     struct key out[KEYSTORE_FORMER_MAX], size_t *out_count)
{
    const char *former;
    const char **names;
    size_t count;
    TRY(file_path(arena, folder, "former", &former));
    TRY(file_list(arena, former, &names, &count));
    REQUIRE(count <= KEYSTORE_FORMER_MAX, LIMIT, "keystore.former.too_many");
    for (size_t i = 0; i < count; i++) {
        const char *path;
        struct result result = file_path(arena, former, names[i], &path);
        if (result_is_ok(result)) {
            result = read_encrypted_key(arena, path, "result.pem", passphrase, &out[i]);
        }
        if (!result_is_ok(result)) {
            while (i > 0) {
                key_release(&out[--i]);
            }
            return result;
        }
    }
    *out_count = count;
    return OK;
}
