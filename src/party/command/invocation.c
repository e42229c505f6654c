#include "party/command/invocation.h"

#include "base/encode.h"
#include "party/home/file.h"

#include <stdarg.h>

const struct option invocation_common_options[] = {
    {"party", 0, "NAME", "who acts; not needed where there is one party", false},
    {"passphrase-file", 0, "FILE",
     "first line is the passphrase of the party's keys (or TRUCE_PASSPHRASE_FILE)", false},
    {"json", 0, NULL, "print one JSON document on standard output", false},
    {"help", 'h', NULL, "print this help", false},
    {0},
};

const char *invocation_argument(const struct invocation *invocation, size_t index)
{
    return index < invocation->options.argument_count ? invocation->options.arguments[index] : NULL;
}

struct result invocation_advise(struct invocation *invocation, struct result result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(invocation->advice, sizeof(invocation->advice), format, arguments);
    va_end(arguments);
    return result;
}

struct result invocation_usage(struct invocation *invocation, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(invocation->advice, sizeof(invocation->advice), format, arguments);
    va_end(arguments);
    invocation->usage = true;
    return FAIL(INVALID, "command.usage");
}

fallible invocation_party_folder(struct invocation *invocation, const char *name, const char **out)
{
    if (!text_is_name(text_of(name))) {
        return invocation_advise(
            invocation, FAIL_AT(INVALID, "party.name", name),
            "A party's name has 1 to 64 of the characters a-z 0-9 . _ - and starts with a letter "
            "or digit.");
    }
    return file_path(invocation->arena, invocation->surroundings.home,
                     arena_where(invocation->arena, "parties/%s", name), out);
}

static fallible only_party(struct invocation *invocation, const char **out)
{
    const char *parties;
    const char **names;
    size_t count;
    TRY(file_path(invocation->arena, invocation->surroundings.home, "parties", &parties));
    TRY(file_list(invocation->arena, parties, &names, &count));
    if (count == 0) {
        return invocation_advise(invocation, FAIL(NOT_FOUND, "party.none"),
                                 "There is no party in %s yet. Make one: truce party init NAME",
                                 invocation->surroundings.home);
    }
    if (count > 1) {
        return invocation_usage(invocation, "There are several parties in %s: say which with --party NAME.",
                                invocation->surroundings.home);
    }
    *out = names[0];
    return OK;
}

fallible invocation_party(struct invocation *invocation, struct own_party *out)
{
    struct own_party party = {0};
    const char *card;
    party.name = option_value(&invocation->options, "party");
    if (party.name == NULL) {
        TRY(only_party(invocation, &party.name));
    }
    TRY(invocation_party_folder(invocation, party.name, &party.folder));
    TRY(file_path(invocation->arena, party.folder, "card.json", &card));
    if (!file_exists(card)) {
        return invocation_advise(invocation, FAIL_AT(NOT_FOUND, "party.unknown", party.name),
                                 "There is no party %s in %s. Make it: truce party init %s", party.name,
                                 invocation->surroundings.home, party.name);
    }
    *out = party;
    return OK;
}

fallible invocation_passphrase(struct invocation *invocation, bool is_new, struct secret *out)
{
    const char *path = option_value(&invocation->options, "passphrase-file");
    if (path == NULL) {
        path = invocation->surroundings.passphrase_file;
    }
    if (path != NULL) {
        struct result result = file_read_secret(path, out);
        if (!result_is_ok(result)) {
            return invocation_advise(invocation, result, "The passphrase is read from the first line of %s.",
                                     path);
        }
        return OK;
    }
    struct result result =
        screen_ask_secret(&invocation->screen, is_new ? "New passphrase: " : "Passphrase: ", is_new, out);
    if (result.code == RESULT_UNAVAILABLE) {
        return invocation_advise(invocation, result,
                                 "Give the passphrase in a file: --passphrase-file FILE or "
                                 "TRUCE_PASSPHRASE_FILE.");
    }
    return result;
}

fallible invocation_unlock(struct invocation *invocation, struct own_party *out_party, struct keystore *out)
{
    struct own_party party;
    scoped_secret passphrase = {0};
    TRY(invocation_party(invocation, &party));
    TRY(invocation_passphrase(invocation, false, &passphrase));
    struct result result = keystore_open(invocation->arena, party.folder, &passphrase, out);
    if (result.code == RESULT_UNAUTHENTICATED) {
        return invocation_advise(invocation, result, "The passphrase does not open the keys of %s.",
                                 party.name);
    }
    TRY(result);
    *out_party = party;
    return OK;
}

fallible invocation_number(struct invocation *invocation, const char *name, uint64_t max, uint64_t otherwise,
                           uint64_t *out)
{
    const char *value = option_value(&invocation->options, name);
    if (value == NULL) {
        *out = otherwise;
        return OK;
    }
    if (!result_is_ok(decode_u64(text_of(value), max, out))) {
        return invocation_usage(invocation, "--%s takes a whole number up to %llu.", name,
                                (unsigned long long)max);
    }
    return OK;
}
