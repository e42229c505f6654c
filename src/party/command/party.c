#include "base/encode.h"
#include "party/command/table.h"
#include "party/home/address_book.h"
#include "party/home/backup.h"
#include "party/home/connection.h"
#include "party/home/file.h"

static fallible digest_text(struct invocation *invocation, const struct digest *digest, const char **out)
{
    struct text text;
    TRY(digest_to_text(invocation->arena, digest, &text));
    return arena_cstring(invocation->arena, text, out);
}

static fallible time_text(struct invocation *invocation, int64_t time, const char **out)
{
    struct text text;
    TRY(encode_time(invocation->arena, time, &text));
    return arena_cstring(invocation->arena, text, out);
}

/* Takes what `truce up` has laid out for this party. */
static fallible find_stack_files(struct invocation *invocation, const struct own_party *party,
                                 size_t *out_count)
{
    static const char *const places[] = {"stack/attest/authority.json", "stack/room/simulation.json",
                                         "stack/host/host.json"};
    size_t count = 0;
    for (size_t i = 0; i <= sizeof(places) / sizeof(places[0]); i++) {
        bool is_vault = i == sizeof(places) / sizeof(places[0]);
        const char *name =
            is_vault ? arena_where(invocation->arena, "stack/vault-%s/vault.json", party->name) : places[i];
        const char *path;
        struct bytes file;
        struct text kind;
        TRY(file_path(invocation->arena, invocation->surroundings.home, name, &path));
        if (!file_exists(path)) {
            continue;
        }
        TRY(file_read(invocation->arena, path, &file));
        TRY(connection_keep(invocation->arena, party->folder, text_of(party->name), file, &kind));
        count++;
    }
    *out_count = count;
    return OK;
}

static fallible print_party(struct invocation *invocation, const struct own_party *party)
{
    scoped_address_book book = {0};
    scoped_json *json = json_object();
    json_t *trusted = json_array();
    json_t *connections = json_array();
    const char *fingerprint;
    TRY(json_set(json, "trusted", trusted));
    TRY(json_set(json, "connections", connections));
    TRY(address_book_open(invocation->arena, party->folder, &book));
    TRY(digest_text(invocation, &book.rows[0].card.fingerprint, &fingerprint));
    TRY(json_set_text(json, "name", text_of(party->name)));
    TRY(json_set_text(json, "fingerprint", text_of(fingerprint)));
    TRY(json_set_text(json, "folder", text_of(party->folder)));
    screen_line(&invocation->screen, "party        %s\nfingerprint  %s\nfolder       %s", party->name,
                fingerprint, party->folder);
    for (size_t i = 1; i < book.count; i++) {
        const char *name = screen_safe(invocation->arena, book.rows[i].card.name);
        const char *since;
        json_t *row = json_object();
        TRY(json_add(trusted, row));
        TRY(digest_text(invocation, &book.rows[i].card.fingerprint, &fingerprint));
        TRY(time_text(invocation, book.rows[i].since, &since));
        TRY(json_set_text(row, "name", text_of(name)));
        TRY(json_set_text(row, "fingerprint", text_of(fingerprint)));
        TRY(json_set_text(row, "since", text_of(since)));
        screen_line(&invocation->screen, "trusts       %s %s since %s", name, fingerprint, since);
    }
    const char *folder;
    const char **names;
    size_t count;
    TRY(file_path(invocation->arena, party->folder, "connections", &folder));
    TRY(file_list(invocation->arena, folder, &names, &count));
    for (size_t i = 0; i < count; i++) {
        TRY(json_add_text(connections, text_of(names[i])));
        screen_line(&invocation->screen, "connected    %s", names[i]);
    }
    return screen_json(&invocation->screen, json);
}

static fallible run_init(struct invocation *invocation)
{
    struct own_party party = {.name = invocation_argument(invocation, 0)};
    scoped_secret passphrase = {0};
    const char *card;
    size_t connected;
    TRY(invocation_party_folder(invocation, party.name, &party.folder));
    TRY(file_path(invocation->arena, party.folder, "card.json", &card));
    if (file_exists(card)) {
        return FAIL_AT(CONFLICT, "keystore.exists", party.name);
    }
    TRY(invocation_passphrase(invocation, true, &passphrase));
    TRY(keystore_create(&invocation->world, party.folder, text_of(party.name), &passphrase));
    TRY(find_stack_files(invocation, &party, &connected));
    TRY(print_party(invocation, &party));
    screen_note(&invocation->screen,
                "Give %s to the other parties and tell them the fingerprint over another channel.", card);
    return OK;
}

static fallible print_fingerprint(struct invocation *invocation, const struct own_party *party)
{
    scoped_address_book book = {0};
    const char *fingerprint;
    TRY(address_book_open(invocation->arena, party->folder, &book));
    TRY(digest_text(invocation, &book.rows[0].card.fingerprint, &fingerprint));
    screen_line(&invocation->screen, "%s", fingerprint);
    return OK;
}

static fallible run_show(struct invocation *invocation)
{
    struct own_party party;
    TRY(invocation_party(invocation, &party));
    if (option_given(&invocation->options, "fingerprint") && !invocation->screen.json) {
        return print_fingerprint(invocation, &party);
    }
    const char *out = option_value(&invocation->options, "card");
    if (out == NULL) {
        return print_party(invocation, &party);
    }
    const char *path;
    struct bytes card;
    TRY(file_path(invocation->arena, party.folder, "card.json", &path));
    TRY(file_read(invocation->arena, path, &card));
    return file_write(out, card, FILE_PUBLIC);
}

static fallible run_trust(struct invocation *invocation)
{
    struct own_party party;
    struct bytes card;
    struct text name;
    struct digest fingerprint;
    const char *text = option_value(&invocation->options, "fingerprint");
    TRY(invocation_party(invocation, &party));
    if (text != NULL && !result_is_ok(digest_from_text(text_of(text), &fingerprint))) {
        return invocation_usage(
            invocation, "--fingerprint takes sha256: and 64 hex digits, as `truce party show` prints it.");
    }
    TRY(file_read(invocation->arena, invocation_argument(invocation, 0), &card));
    TRY(address_book_add(invocation->arena, &invocation->world, party.folder, card,
                         text != NULL ? &fingerprint : NULL, &name));
    scoped_address_book book = {0};
    TRY(address_book_open(invocation->arena, party.folder, &book));
    const struct acquaintance *row = address_book_by_name(&book, name);
    const char *known;
    TRY(digest_text(invocation, &row->card.fingerprint, &known));
    scoped_json *json = json_object();
    TRY(json_set_text(json, "name", name));
    TRY(json_set_text(json, "fingerprint", text_of(known)));
    screen_line(&invocation->screen, "%s trusts %.*s %s", party.name, TEXT_ARGS(name), known);
    return screen_json(&invocation->screen, json);
}

static fallible run_connect(struct invocation *invocation)
{
    struct own_party party;
    scoped_json *json = json_object();
    json_t *kinds = json_array();
    TRY(json_set(json, "connected", kinds));
    TRY(invocation_party(invocation, &party));
    for (size_t i = 0; i < invocation->options.argument_count; i++) {
        struct bytes file;
        struct text kind;
        TRY(file_read(invocation->arena, invocation->options.arguments[i], &file));
        struct result result =
            connection_keep(invocation->arena, party.folder, text_of(party.name), file, &kind);
        if (!result_is_ok(result)) {
            result.where = result.where != NULL ? result.where : invocation->options.arguments[i];
            return result;
        }
        TRY(json_add_text(kinds, kind));
        screen_line(&invocation->screen, "%s is connected: %.*s", party.name, TEXT_ARGS(kind));
    }
    return screen_json(&invocation->screen, json);
}

static fallible run_rotate(struct invocation *invocation)
{
    struct own_party party;
    scoped_secret passphrase = {0};
    TRY(invocation_party(invocation, &party));
    TRY(invocation_passphrase(invocation, false, &passphrase));
    TRY(keystore_rotate(&invocation->world, party.folder, &passphrase));
    TRY(print_party(invocation, &party));
    screen_note(
        &invocation->screen,
        "New keys. The new card is signed by the old key too: who trusts %s takes it with `truce party trust "
        "card.json`.\nContracts signed with the old key stay as they are; runs of them need a new contract. "
        "Make a new "
        "backup.",
        party.name);
    return OK;
}

static fallible run_backup(struct invocation *invocation)
{
    struct own_party party;
    scoped_keystore keystore = {0};
    scoped_secret passphrase = {0};
    scoped_buffer backup;
    size_t count;
    struct bytes written;
    const char *out = invocation_argument(invocation, 0);
    buffer_init(&backup, FILE_SIZE_MAX);
    TRY(invocation_party(invocation, &party));
    TRY(invocation_passphrase(invocation, false, &passphrase));
    TRY(keystore_open(invocation->arena, party.folder, &passphrase, &keystore));
    TRY(backup_make(invocation->arena, &invocation->world, party.folder, text_of(party.name), &passphrase,
                    &backup));
    TRY(file_write(out, buffer_view(&backup), FILE_PRIVATE));
    TRY(file_read(invocation->arena, out, &written));
    TRY(backup_open(invocation->arena, written, &passphrase, NULL, &count));
    scoped_json *json = json_object();
    TRY(json_set_text(json, "file", text_of(out)));
    TRY(json_set_i64(json, "files", (int64_t)count));
    screen_line(&invocation->screen, "%s: %zu files of %s, read back and opened with your passphrase", out,
                count, party.name);
    return screen_json(&invocation->screen, json);
}

static fallible run_restore(struct invocation *invocation)
{
    struct own_party party;
    scoped_secret passphrase = {0};
    scoped_keystore keystore = {0};
    struct bytes backup;
    struct text name;
    size_t count;
    const char *card;
    TRY(file_read(invocation->arena, invocation_argument(invocation, 0), &backup));
    TRY(backup_name(invocation->arena, backup, &name));
    TRY(arena_cstring(invocation->arena, name, &party.name));
    TRY(invocation_party_folder(invocation, party.name, &party.folder));
    TRY(file_path(invocation->arena, party.folder, "card.json", &card));
    if (file_exists(card)) {
        return invocation_advise(invocation, FAIL_AT(CONFLICT, "keystore.exists", party.name),
                                 "A party %s is there already. Move %s away first.", party.name,
                                 party.folder);
    }
    TRY(invocation_passphrase(invocation, false, &passphrase));
    TRY(backup_open(invocation->arena, backup, &passphrase, party.folder, &count));
    TRY(keystore_open(invocation->arena, party.folder, &passphrase, &keystore));
    return print_party(invocation, &party);
}

static const struct option no_options[] = {{0}};
static const struct option show_options[] = {
    {"card", 'c', "FILE", "write the card, to give to others (- is standard output)", false},
    {"fingerprint", 'f', NULL, "print the fingerprint alone", false},
    {0}};
static const struct option trust_options[] = {
    {"fingerprint", 'f', "DIGEST", "what the party told you over another channel", false}, {0}};

const struct command command_party[] = {
    {"party", "init", "make a party's keys and card", "NAME",
     "Makes a signing key and a result key, encrypted under a passphrase, in TRUCE_HOME/parties/NAME, and "
     "the card that\n"
     "tells others the public keys. Takes the connection files of a local stack if there is one.",
     no_options, 1, 1, run_init},
    {"party", "show", "print a party, whom it trusts and what it is connected to", "", NULL, show_options, 0,
     0, run_show},
    {"party", "trust", "take another party's card into the address book", "FILE",
     "Signing refuses keys that are not in the address book. Compare the fingerprint over another channel "
     "than the one\n"
     "that brought the card. After a rotation the new card is signed by the known key and needs no "
     "fingerprint.",
     trust_options, 1, 1, run_trust},
    {"party", "connect", "take connection files of vault, authority, host and simulation", "FILE...", NULL,
     no_options, 1, OPTION_ARGUMENTS_MAX, run_connect},
    {"party", "rotate", "replace the keys; the new card is signed by the old key too", "",
     "The former keys are kept in the party's folder: they open results of before.", no_options, 0, 0,
     run_rotate},
    {"party", "backup", "write one encrypted file with all keys and documents", "FILE",
     "The file is encrypted under the party's passphrase, and is read back and opened before the command "
     "succeeds.\n"
     "Sealed parts of datasets are not in it.",
     no_options, 1, 1, run_backup},
    {"party", "restore", "bring a party back from its backup", "FILE", NULL, no_options, 1, 1, run_restore},
    {0},
};
