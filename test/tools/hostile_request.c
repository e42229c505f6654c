#include "hostile_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

char *request_peek(int stream, size_t *out_size)
{
    char *text = calloc(1, REQUEST_MAX + 1);
    for (int i = 0; text != NULL && i < 1000; i++) {
        ssize_t got = recv(stream, text, REQUEST_MAX, MSG_PEEK);
        uint32_t size = 0;
        if (got >= 5) {
            memcpy(&size, text, sizeof size);
        }
        if (got >= 5 && (size_t)got >= 5 + (size_t)size) {
            *out_size = size;
            memmove(text, text + 5, size);
            text[size] = 0;
            return text;
        }
        usleep(2000);
    }
    free(text);
    return NULL;
}

bool request_mode(const char *request, char out[MODE_BYTES])
{
    const char *mark = strstr(request, "hostile:");
    return mark != NULL && sscanf(mark, "hostile:%31[a-z0-9-]", out) == 1;
}

bool mode_is(const char *mode, const char *name)
{
    return strcmp(mode, name) == 0;
}

bool mode_starts(const char *mode, const char *prefix)
{
    return strncmp(mode, prefix, strlen(prefix)) == 0;
}
