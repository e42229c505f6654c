#include "host/log/trace.h"

#include <fcntl.h>
#include <unistd.h>

fallible trace_open(const char *path, struct trace *out)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    REQUIRE(file >= 0, UNAVAILABLE, "trace.open");
    FILE *stream = fdopen(file, "a");
    if (stream == NULL) {
        close(file);
        return FAIL(UNAVAILABLE, "trace.open");
    }
    *out = (struct trace){.file = stream};
    pthread_mutex_init(&out->mutex, NULL);
    return OK;
}

void trace_close(struct trace *trace)
{
    if (trace->file != NULL) {
        fclose(trace->file);
        pthread_mutex_destroy(&trace->mutex);
        trace->file = NULL;
    }
}

void trace_frame(struct trace *trace, const char *sender, const char *kind, size_t size, struct text request)
{
    if (trace->file == NULL) {
        return;
    }
    pthread_mutex_lock(&trace->mutex);
    const char *space = request.size > 0 ? " " : "";
    fprintf(trace->file, "%s %s %zu%s%.*s\n", sender, kind, size, space, TEXT_ARGS(request));
    fflush(trace->file);
    pthread_mutex_unlock(&trace->mutex);
}
