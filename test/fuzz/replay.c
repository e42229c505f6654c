/* Replays a corpus folder through a fuzz target without a fuzzer, as a TAP test: one line per file. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_file(const char *folder, const char *name, int number)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        printf("not ok %d - %s cannot be read\n", number, name);
        return;
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    size_t got = data == NULL ? 0 : fread(data, 1, (size_t)size, file);
    fclose(file);
    if (data == NULL || got != (size_t)size) {
        printf("not ok %d - %s cannot be read\n", number, name);
        free(data);
        return;
    }
    LLVMFuzzerTestOneInput(data, got);
    free(data);
    printf("ok %d - %s\n", number, name);
}

int main(int count, char **arguments)
{
    struct dirent **names;
    int found = count == 2 ? scandir(arguments[1], &names, NULL, alphasort) : -1;
    if (found < 0) {
        printf("Bail out! no corpus folder\n");
        return 1;
    }
    int number = 0;
    for (int i = 0; i < found; i++) {
        if (names[i]->d_name[0] != '.') {
            replay_file(arguments[1], names[i]->d_name, ++number);
        }
        free(names[i]);
    }
    free(names);
    if (number == 0) {
        printf("not ok 1 - the corpus is empty\n");
        number = 1;
    }
    printf("1..%d\n", number);
    return 0;
}
