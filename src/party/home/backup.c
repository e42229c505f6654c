#include "party/home/backup.h"

#include "base/json.h"
#include "crypto/key.h"
#include "jose/jwe.h"
#include "party/home/file.h"

#include <sys/stat.h>

static const char backup_typ[] = "truce-backup+jwe";

static fallible add_file(struct arena *arena, const char *path, const char *name, json_t *files)
{
    struct bytes content;
    TRY(file_read(arena, path, &content));
    REQUIRE(json_array_size(files) < BACKUP_FILES_MAX, LIMIT, "backup.too_many_files");
    json_t *row = json_object();
    TRY(json_add(files, row));
    TRY(json_set_text(row, "path", text_of(name)));
    return json_set_base64url(row, "content", content);
}

static fallible add_folder(struct arena *arena, const char *folder, const char *prefix, unsigned depth,
                           json_t *files)
{
    const char **names;
    size_t count;
    REQUIRE(depth <= BACKUP_DEPTH_MAX, LIMIT, "backup.depth");
    TRY(file_list(arena, folder, &names, &count));
    for (size_t i = 0; i < count; i++) {
        const char *path;
        const char *name = names[i];
        struct stat facts;
        TRY(file_path(arena, folder, names[i], &path));
        TRY(file_path(arena, prefix, names[i], &name));
        if (lstat(path, &facts) != 0 || strcmp(names[i], "parts") == 0) {
            continue;
        }
        if (S_ISDIR(facts.st_mode)) {
            TRY(add_folder(arena, path, name, depth + 1, files));
        } else if (S_ISREG(facts.st_mode) && facts.st_size <= BACKUP_FILE_BYTES_MAX) {
            TRY(add_file(arena, path, name, files));
        }
    }
    return OK;
}

static fallible encrypt(struct arena *arena, const struct world *world, const json_t *content,
                        const struct secret *passphrase, json_t *backup)
{
    scoped_key key = {0};
    scoped_buffer pem;
    scoped_buffer document;
    struct text plaintext;
    json_t *content_document = NULL;
    buffer_init(&pem, BACKUP_FILE_BYTES_MAX);
    buffer_init(&document, FILE_SIZE_MAX);
    TRY(json_encode_text(arena, content, &plaintext));
    TRY(key_generate(KEY_EC_P256, 0, &key));
    TRY(key_to_encrypted_pem(&key, passphrase, &pem));
    TRY(jwe_encrypt(world, backup_typ, bytes_of_text(plaintext), &key, 1, &document));
    TRY(json_set_text(backup, "key", buffer_text(&pem)));
    TRY(json_decode(buffer_view(&document), &content_document));
    return json_set(backup, "content", content_document);
}

fallible backup_make(struct arena *arena, const struct world *world, const char *folder, struct text name,
                     const struct secret *passphrase, struct buffer *out)
{
    scoped_json *content = json_object();
    scoped_json *backup = json_object();
    json_t *files = json_array();
    TRY(json_set(content, "files", files));
    TRY(add_folder(arena, folder, "", 0, files));
    TRY(json_set_text(backup, "type", TEXT("party-backup/1")));
    TRY(json_set_text(backup, "name", name));
    TRY(encrypt(arena, world, content, passphrase, backup));
    return json_encode(backup, out);
}

static fallible decode(struct arena *arena, struct bytes untrusted_backup, json_t **out,
                       struct text *out_name)
{
    static const char *const members[] = {"type", "name", "key", "content", NULL};
    scoped_json *backup = NULL;
    struct text type;
    struct text name;
    TRY(json_decode(untrusted_backup, &backup));
    TRY(json_only(arena, backup, members));
    TRY(json_get_text(backup, "type", &type));
    REQUIRE(text_is(type, "party-backup/1"), INVALID, "backup.type");
    TRY(json_get_text(backup, "name", &name));
    REQUIRE(text_is_name(name), INVALID, "backup.name");
    TRY(arena_copy_text(arena, name, out_name));
    *out = backup;
    backup = NULL;
    return OK;
}

fallible backup_name(struct arena *arena, struct bytes untrusted_backup, struct text *out_name)
{
    scoped_json *backup = NULL;
    return decode(arena, untrusted_backup, &backup, out_name);
}

/* A relative path of plain names: a backup must not write elsewhere. */
static bool is_inside(struct text path)
{
    struct text name = {path.data, 0};
    for (size_t i = 0; i <= path.size; i++) {
        if (i == path.size || path.data[i] == '/') {
            name.size = (size_t)(path.data + i - name.data);
            if (name.size == 0 || name.data[0] == '.' || memchr(name.data, '\0', name.size) != NULL) {
                return false;
            }
            name.data = path.data + i + 1;
        }
    }
    return true;
}

static fallible write_row(struct arena *arena, const char *folder, const json_t *row)
{
    struct text name;
    struct bytes content;
    const char *path;
    const char *above;
    TRY(json_get_text(row, "path", &name));
    TRY(json_get_base64url(arena, row, "content", &content));
    REQUIRE(is_inside(name), INVALID, "backup.path");
    if (folder == NULL) {
        return OK;
    }
    TRY(arena_cstring(arena, name, &path));
    TRY(file_path(arena, folder, path, &path));
    TRY(file_folder_of(arena, path, &above));
    TRY(file_make_folder(above));
    return file_write(path, content, FILE_PRIVATE);
}

static fallible decrypt(struct arena *arena, const json_t *backup, const struct secret *passphrase,
                        json_t **out)
{
    scoped_key key = {0};
    scoped_buffer plaintext;
    struct text pem;
    struct text document;
    json_t *content;
    buffer_init(&plaintext, FILE_SIZE_MAX);
    TRY(json_get_text(backup, "key", &pem));
    TRY(json_get_object(backup, "content", &content));
    TRY(json_encode_text(arena, content, &document));
    TRY(key_from_encrypted_pem(bytes_of_text(pem), passphrase, &key));
    TRY(jwe_decrypt(arena, bytes_of_text(document), backup_typ, &key, &plaintext));
    return json_decode(buffer_view(&plaintext), out);
}

fallible backup_open(struct arena *arena, struct bytes untrusted_backup, const struct secret *passphrase,
                     const char *folder, size_t *out_count)
{
    scoped_json *backup = NULL;
    scoped_json *content = NULL;
    struct text name;
    json_t *files;
    TRY(decode(arena, untrusted_backup, &backup, &name));
    TRY(decrypt(arena, backup, passphrase, &content));
    TRY(json_get_array(content, "files", &files));
    for (size_t i = 0; i < json_array_size(files); i++) {
        TRY(write_row(arena, NULL, json_array_get(files, i)));
    }
    for (size_t i = 0; folder != NULL && i < json_array_size(files); i++) {
        TRY(write_row(arena, folder, json_array_get(files, i)));
    }
    *out_count = json_array_size(files);
    return OK;
}
