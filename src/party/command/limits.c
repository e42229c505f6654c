#include "party/command/limits.h"

#include "party/command/table.h"

static fallible run_limits(struct invocation *invocation)
{
    scoped_json *json = json_object();
    json_t *limits = json_object();
    json_t *statuses = json_object();
    TRY(json_set(json, "limits", limits));
    TRY(json_set(json, "exit_status", statuses));
    for (size_t i = 0; i < limits_count; i++) {
        TRY(json_set_i64(limits, limits_table[i].name, (int64_t)limits_table[i].value));
        screen_line(&invocation->screen, "%-44s %llu", limits_table[i].name,
                    (unsigned long long)limits_table[i].value);
    }
    screen_line(&invocation->screen, "\nExit status: 0 done, 2 wrong command line, and");
    for (int code = RESULT_OK + 1; code < RESULT_CODE_COUNT; code++) {
        const char *name = result_code_name((enum result_code)code);
        TRY(json_set_i64(statuses, name, result_code_exit_status((enum result_code)code)));
        screen_line(&invocation->screen, "  %d  %-16s %s", result_code_exit_status((enum result_code)code),
                    name, result_code_advice((enum result_code)code));
    }
    return screen_json(&invocation->screen, json);
}

static const struct option no_options[] = {{0}};

const struct command command_limits[] = {
    {"limits", NULL, "print every named maximum and the exit statuses", "", NULL, no_options, 0, 0,
     run_limits},
    {0},
};
