#include "party/option/option.h"

#include <string.h>

static const struct option *find_long(const struct option *const tables[], const char *name, size_t size)
{
    for (size_t t = 0; tables[t] != NULL; t++) {
        for (const struct option *row = tables[t]; row->name != NULL; row++) {
            if (strlen(row->name) == size && memcmp(row->name, name, size) == 0) {
                return row;
            }
        }
    }
    return NULL;
}

static const struct option *find_letter(const struct option *const tables[], char letter)
{
    for (size_t t = 0; tables[t] != NULL; t++) {
        for (const struct option *row = tables[t]; row->name != NULL; row++) {
            if (row->letter != 0 && row->letter == letter) {
                return row;
            }
        }
    }
    return NULL;
}

bool option_given(const struct options *options, const char *name)
{
    return option_value(options, name) != NULL;
}

const char *option_value(const struct options *options, const char *name)
{
    return option_value_at(options, name, 0);
}

const char *option_value_at(const struct options *options, const char *name, size_t index)
{
    for (size_t i = 0; i < options->given_count; i++) {
        if (strcmp(options->given[i].row->name, name) == 0 && index-- == 0) {
            return options->given[i].value;
        }
    }
    return NULL;
}

static fallible give(struct options *options, const struct option *row, const char *value, const char *word)
{
    if (!row->repeated && option_given(options, row->name)) {
        return FAIL_AT(INVALID, "option.repeated", word);
    }
    REQUIRE(options->given_count < OPTION_VALUES_MAX, LIMIT, "option.too_many");
    options->given[options->given_count].row = row;
    options->given[options->given_count].value = value;
    options->given_count++;
    return OK;
}

/* Reads the option at argv[*at] and its value; *at moves to the last word that was used. */
static fallible take_option(const struct option *const tables[], int argc, char *const argv[], int *at,
                            struct options *options)
{
    const char *word = argv[*at];
    const struct option *row = NULL;
    const char *value = NULL;
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t size = equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2;
        row = find_long(tables, word + 2, size);
        value = equals != NULL ? equals + 1 : NULL;
    } else if (word[2] == '\0') {
        row = find_letter(tables, word[1]);
    }
    if (row == NULL) {
        return FAIL_AT(INVALID, "option.unknown", word);
    }
    if (row->value == NULL) {
        return value != NULL ? FAIL_AT(INVALID, "option.value_unexpected", word)
                             : give(options, row, "", word);
    }
    if (value == NULL) {
        if (*at + 1 >= argc) {
            return FAIL_AT(INVALID, "option.value_missing", word);
        }
        value = argv[++*at];
    }
    return give(options, row, value, word);
}

fallible options_parse(const struct option *const tables[], int argc, char *const argv[], struct options *out)
{
    struct options options = {0};
    bool ended = false;
    for (int at = 0; at < argc; at++) {
        const char *word = argv[at];
        if (!ended && strcmp(word, "--") == 0) {
            ended = true;
        } else if (!ended && word[0] == '-' && word[1] != '\0') {
            TRY(take_option(tables, argc, argv, &at, &options));
        } else {
            REQUIRE(options.argument_count < OPTION_ARGUMENTS_MAX, LIMIT, "option.too_many");
            options.arguments[options.argument_count++] = word;
        }
    }
    *out = options;
    return OK;
}

/* Levenshtein's distance over at most 31 characters. */
static size_t distance(const char *left, const char *right)
{
    enum { WORD_MAX = 31 };
    size_t left_size = strnlen(left, WORD_MAX);
    size_t right_size = strnlen(right, WORD_MAX);
    size_t row[WORD_MAX + 1];
    for (size_t i = 0; i <= right_size; i++) {
        row[i] = i;
    }
    for (size_t i = 1; i <= left_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= right_size; j++) {
            size_t change = diagonal + (left[i - 1] != right[j - 1]);
            diagonal = row[j];
            size_t remove = row[j] + 1;
            size_t add = row[j - 1] + 1;
            row[j] = change < remove ? change : remove;
            row[j] = row[j] < add ? row[j] : add;
        }
    }
    return row[right_size];
}

const char *option_closest(const char *word, const char *const names[])
{
    const char *closest = NULL;
    size_t best = 3;
    for (size_t i = 0; names[i] != NULL; i++) {
        size_t found = distance(word, names[i]);
        if (found < best && found < strlen(names[i])) {
            best = found;
            closest = names[i];
        }
    }
    return closest;
}
