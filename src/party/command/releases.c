#include "base/encode.h"
#include "party/command/table.h"
#include "party/vault/vault.h"

static const char *member(struct invocation *invocation, const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);
    struct text text;
    if (json_is_integer(value)) {
        return result_is_ok(encode_time(invocation->arena, json_integer_value(value), &text))
                   ? screen_safe(invocation->arena, text)
                   : "";
    }
    return result_is_ok(json_text(value, &text)) ? screen_safe(invocation->arena, text) : "-";
}

static fallible run_releases(struct invocation *invocation)
{
    struct own_party party;
    scoped_vault vault = {0};
    scoped_json *answer = NULL;
    TRY(invocation_party(invocation, &party));
    TRY(vault_open(invocation->arena, party.folder, &vault));
    TRY(vault_releases(&vault, invocation->arena, &answer));
    json_t *rows = json_is_array(answer) ? answer : json_object_get(answer, "value");
    if (json_array_size(rows) == 0) {
        screen_line(&invocation->screen, "no releases yet");
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        screen_line(&invocation->screen, "%s  %s to %s for contract %s, request %s",
                    member(invocation, row, "time"), member(invocation, row, "key"),
                    member(invocation, row, "application"), member(invocation, row, "contract"),
                    member(invocation, row, "run_request"));
    }
    return screen_json(&invocation->screen, answer);
}

static const struct option no_options[] = {{0}};

const struct command command_releases[] = {
    {"releases", NULL, "an owner's view: which keys the vault released, to what, when", "",
     "Reads the record of your own vault; the host has no part in it.", no_options, 0, 0, run_releases},
    {0},
};
