#include "service/setup/tls.h"

#include "service/setup/file.h"

enum { DAY_SECONDS = 24 * 3600, BACKDATE_SECONDS = 3600 };

static const char authority_file[] = "ca.pem";
static const char authority_key_file[] = "ca-key.pem";
static const char server_key_file[] = "tls-key.pem";

static fallible write_key(struct arena *arena, struct text folder, const char *name, const struct key *key)
{
    scoped_buffer pem;
    struct text path;
    buffer_init(&pem, SETUP_FILE_BYTES_MAX);
    TRY(key_to_pem(key, &pem));
    TRY(path_join(arena, folder, name, &path));
    struct result result = file_write(path, buffer_view(&pem));
    wipe(pem.data, pem.size);
    return result;
}

static fallible write_certificate(struct arena *arena, struct text folder, const char *name,
                                  const struct certificate *certificate)
{
    scoped_buffer pem;
    struct text path;
    buffer_init(&pem, SETUP_FILE_BYTES_MAX);
    TRY(certificate_to_pem(certificate, &pem));
    TRY(path_join(arena, folder, name, &path));
    return file_write(path, buffer_view(&pem));
}

fallible tls_create(const struct world *world, struct arena *arena, struct text folder, struct text owner)
{
    scoped_key authority_key = {0};
    scoped_key server_key = {0};
    scoped_certificate authority = {0};
    struct text name;
    TRY(key_generate(KEY_EC_P256, 0, &authority_key));
    TRY(key_generate(KEY_EC_P256, 0, &server_key));
    TRY(arena_printf(arena, &name, "Truce authority of %.*s", TEXT_ARGS(owner)));
    struct certificate_request request = {
        .subject_key = &authority_key,
        .common_name = name,
        .not_before = world_now(world) - BACKDATE_SECONDS,
        .not_after = world_now(world) + (int64_t)TLS_AUTHORITY_DAYS * DAY_SECONDS,
        .is_authority = true,
    };
    TRY(certificate_issue(world, &request, NULL, &authority_key, &authority));
    TRY(write_key(arena, folder, authority_key_file, &authority_key));
    TRY(write_key(arena, folder, server_key_file, &server_key));
    return write_certificate(arena, folder, authority_file, &authority);
}

void tls_names_add(struct tls_names *names, struct text name)
{
    size_t i = 0;
    while (i < TLS_NAMES_MAX && names->rows[i].size > 0) {
        if (text_equal(names->rows[i++], name)) {
            return;
        }
    }
    ASSERT(i < TLS_NAMES_MAX); /* more names than a certificate of ours has */
    names->rows[i] = name;
}

static bool is_ip(struct text host)
{
    for (size_t i = 0; i < host.size; i++) {
        char c = host.data[i];
        if (c == ':') {
            return true;
        }
        if ((c < '0' || c > '9') && c != '.') {
            return false;
        }
    }
    return true;
}

void tls_names_init(struct tls_names *names, struct text host)
{
    *names = (struct tls_names){0};
    if (is_ip(host)) {
        names->ip = host;
    } else {
        tls_names_add(names, host);
    }
    tls_names_add(names, TEXT("localhost"));
}

static fallible read_pem(struct arena *arena, struct text folder, const char *name, struct bytes *out)
{
    struct text path;
    TRY(path_join(arena, folder, name, &path));
    return file_read(arena, path, out);
}

static fallible issue(const struct world *world, struct arena *arena, struct text folder,
                      const struct tls_names *names, const struct key *key, struct certificate *out_leaf,
                      struct certificate *out_authority)
{
    struct bytes authority_pem;
    struct bytes authority_key_pem;
    scoped_key authority_key = {0};
    size_t count;
    TRY(read_pem(arena, folder, authority_file, &authority_pem));
    TRY(read_pem(arena, folder, authority_key_file, &authority_key_pem));
    TRY(key_from_pem(authority_key_pem, &authority_key));
    scoped_certificate authority = {0};
    TRY(certificates_from_pem(authority_pem, 1, &authority, &count));
    struct certificate_request request = {
        .subject_key = key,
        .common_name = names->rows[0],
        .ip_names = {TEXT("127.0.0.1"), TEXT("::1"), names->ip},
        .not_before = world_now(world) - BACKDATE_SECONDS,
        .not_after = world_now(world) + (int64_t)TLS_LEAF_DAYS * DAY_SECONDS,
    };
    if (text_is(names->ip, "127.0.0.1") || text_is(names->ip, "::1")) {
        request.ip_names[2] = (struct text){0};
    }
    for (size_t i = 0; i < TLS_NAMES_MAX; i++) {
        request.dns_names[i] = names->rows[i];
    }
    TRY(certificate_issue(world, &request, &authority, &authority_key, out_leaf));
    *out_authority = authority;
    authority = (struct certificate){0};
    return OK;
}

fallible tls_load(const struct world *world, struct arena *arena, struct text folder,
                  const struct tls_names *names, struct tls_identity *out)
{
    scoped_key key = {0};
    scoped_certificate leaf = {0};
    scoped_certificate authority = {0};
    scoped_buffer chain;
    struct tls_identity identity;
    buffer_init(&chain, SETUP_FILE_BYTES_MAX);
    TRY(read_pem(arena, folder, server_key_file, &identity.key_pem));
    TRY(read_pem(arena, folder, authority_file, &identity.ca_pem));
    TRY(key_from_pem(identity.key_pem, &key));
    TRY(issue(world, arena, folder, names, &key, &leaf, &authority));
    TRY(certificate_to_pem(&leaf, &chain));
    TRY(certificate_to_pem(&authority, &chain));
    TRY(arena_copy(arena, buffer_view(&chain), &identity.certificate_pem));
    *out = identity;
    return OK;
}

static fallible copy_der(struct arena *arena, const struct certificate *certificate, struct bytes *out)
{
    scoped_buffer der;
    buffer_init(&der, SETUP_FILE_BYTES_MAX);
    TRY(certificate_to_der(certificate, &der));
    return arena_copy(arena, buffer_view(&der), out);
}

fallible tls_issue_chain(const struct world *world, struct arena *arena, struct text folder,
                         const struct tls_names *names, const struct key *key, struct bytes *out_leaf,
                         struct bytes *out_authority)
{
    scoped_certificate leaf = {0};
    scoped_certificate authority = {0};
    TRY(issue(world, arena, folder, names, key, &leaf, &authority));
    TRY(copy_der(arena, &leaf, out_leaf));
    return copy_der(arena, &authority, out_authority);
}
