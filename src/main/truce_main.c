/* truce: the command line of a party. Reads the environment once and hands over to the table of commands. */
#include "party/command/table.h"

#include "main/identity.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The folder of this program: its companions are looked for there first. */
static const char *own_folder(char path[static PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return "/usr/bin";
    }
    *slash = '\0';
    return path;
}

int main(int argc, char *argv[])
{
    static const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    char programs[PATH_MAX];
    char home[PATH_MAX];
    const char *from_environment = getenv("TRUCE_HOME");
    const char *user = getenv("HOME");
    if (from_environment != NULL && from_environment[0] != '\0') {
        snprintf(home, sizeof(home), "%s", from_environment);
    } else {
        snprintf(home, sizeof(home), "%s/.truce", user != NULL ? user : ".");
    }
    const char *passphrase_file = getenv("TRUCE_PASSPHRASE_FILE");
    struct surroundings surroundings = {
        .home = home,
        .passphrase_file = passphrase_file != NULL && passphrase_file[0] != '\0' ? passphrase_file : NULL,
        .programs = own_folder(programs),
        .identity = identity_text,
    };
    return command_main(&surroundings, argc, argv);
}
