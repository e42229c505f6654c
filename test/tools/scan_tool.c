/* For tests that look for what must not be there: prints each place where one of many octet strings occurs in
 * files or in the memory of processes.
 *
 *     scan-tool PATTERNS < SOURCES
 *
 * PATTERNS has one "name hex" per line, 8 to 512 octets each; SOURCES has one path or "pid:N" per line. For
 * each hit one line "name<TAB>source"; at the end "scanned<TAB>octets". A source that cannot be read ends the
 * program with status 1. */
#include "base/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    PATTERNS_MAX = 8192,
    PATTERN_MIN = 8,
    PATTERN_MAX = 512,
    CHUNK = 4 << 20,
    BITS = 20,
    LINE_MAX_BYTES = 4096
};

struct pattern {
    char name[256];
    uint8_t octets[PATTERN_MAX];
    size_t size;
    const struct pattern *next; /* of the same slot */
};

struct scan {
    struct pattern *patterns;
    size_t count;
    const struct pattern *slots[1 << BITS];
    uint8_t window[PATTERN_MAX + CHUNK];
    uint64_t scanned;
    const char *source;
};

static uint32_t slot_of(const uint8_t *octets)
{
    uint64_t head;
    memcpy(&head, octets, sizeof head);
    return (uint32_t)(head * 0x9e3779b97f4a7c15u >> (64 - BITS));
}

static bool take_pattern(struct scan *scan, const char *line)
{
    static char hex[2 * PATTERN_MAX + 1];
    struct pattern *pattern = &scan->patterns[scan->count];
    if (scan->count == PATTERNS_MAX || sscanf(line, "%255s %1024s", pattern->name, hex) != 2) {
        return false;
    }
    pattern->size = strlen(hex) / 2;
    for (size_t i = 0; i < pattern->size; i++) {
        unsigned octet;
        if (sscanf(hex + 2 * i, "%2x", &octet) != 1) {
            return false;
        }
        pattern->octets[i] = (uint8_t)octet;
    }
    if (pattern->size < PATTERN_MIN) {
        return false;
    }
    uint32_t slot = slot_of(pattern->octets);
    pattern->next = scan->slots[slot];
    scan->slots[slot] = pattern;
    scan->count++;
    return true;
}

static void search(const struct scan *scan, size_t size)
{
    for (size_t at = 0; at + PATTERN_MIN <= size; at++) {
        const struct pattern *pattern = scan->slots[slot_of(scan->window + at)];
        for (; pattern != NULL; pattern = pattern->next) {
            if (pattern->size <= size - at &&
                memcmp(scan->window + at, pattern->octets, pattern->size) == 0) {
                printf("%s\t%s\n", pattern->name, scan->source);
            }
        }
    }
}

/* Windows overlap by the longest pattern; a hit there is printed twice, which does no harm. */
static bool scan_range(struct scan *scan, int descriptor, uint64_t from, uint64_t to, bool is_memory)
{
    size_t kept = 0;
    while (from < to) {
        size_t want = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
        ssize_t got = pread(descriptor, scan->window + kept, want, (off_t)from);
        if (got <= 0) {
            /* Memory may go away or be a device's; a file ends where it ends. */
            return is_memory || got == 0;
        }
        size_t size = kept + (size_t)got;
        search(scan, size);
        scan->scanned += (uint64_t)got;
        from += (uint64_t)got;
        kept = size < PATTERN_MAX ? size : PATTERN_MAX;
        memmove(scan->window, scan->window + size - kept, kept);
    }
    return true;
}

static bool scan_process(struct scan *scan, const char *pid)
{
    char path[64];
    char line[LINE_MAX_BYTES];
    snprintf(path, sizeof path, "/proc/%.20s/maps", pid);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%.20s/mem", pid);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    bool good = maps != NULL && memory >= 0;
    while (good && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from;
        unsigned long to;
        char rights[5];
        good = sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3;
        if (good && rights[0] == 'r' && strstr(line, "[v") == NULL) {
            good = scan_range(scan, memory, from, to, true);
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    if (memory >= 0) {
        close(memory);
    }
    return good;
}

static bool scan_file(struct scan *scan, const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return errno == ENOENT; /* temporary files come and go */
    }
    bool good = scan_range(scan, file, 0, UINT64_MAX >> 1, false);
    close(file);
    return good;
}

static bool scan_sources(struct scan *scan)
{
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        scan->source = line;
        bool is_process = strncmp(line, "pid:", 4) == 0;
        if (!(is_process ? scan_process(scan, line + 4) : scan_file(scan, line))) {
            fprintf(stderr, "scan-tool: cannot read %s: %s\n", line, strerror(errno));
            return false;
        }
    }
    return true;
}

int main(int count, char **arguments)
{
    char line[LINE_MAX_BYTES];
    struct scan *scan = calloc(1, sizeof *scan);
    FILE *patterns = count == 2 ? fopen(arguments[1], "r") : NULL;
    bool good = scan != NULL && patterns != NULL;
    if (good) {
        scan->patterns = calloc(PATTERNS_MAX, sizeof *scan->patterns);
        good = scan->patterns != NULL;
    }
    while (good && fgets(line, sizeof line, patterns) != NULL) {
        good = take_pattern(scan, line);
    }
    good = good && scan_sources(scan);
    if (good) {
        printf("scanned\t%llu\n", (unsigned long long)scan->scanned);
    }
    return good ? 0 : 1;
}
