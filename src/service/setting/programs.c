#include "service/setting/setting.h"

enum { INIT, CONNECT, SERVE, MEASURE = CONNECT };

/* What every program with a folder has. */
#define FOLDER_ROW                                                                                           \
    {                                                                                                        \
        .name = "folder", .kind = SETTING_PATH, .places = SETTING_FILE | SETTING_FILE_ONLY, .value = "DIR",  \
        .help = "the folder of its state, instead of DIR on the command line", .required = true              \
    }
#define CONFIG_ROW                                                                                           \
    {                                                                                                        \
        .name = "config", .kind = SETTING_PATH, .places = SETTING_EVERYWHERE, .value = "FILE",               \
        .help = "take DIR and what the command line does not say from this file"                             \
    }
#define URL_ROW                                                                                              \
    {                                                                                                        \
        .name = "url", .kind = SETTING_URL, .places = SETTING_AT(INIT) | SETTING_AT(SERVE) | SETTING_FILE,   \
        .value = "URL",                                                                                      \
        .help = "https://HOST[:PORT] under which others reach it; settled by init, serve refuses another"    \
    }
#define LISTEN_ROW                                                                                           \
    {                                                                                                        \
        .name = "listen", .kind = SETTING_ADDRESS,                                                           \
        .places = SETTING_AT(INIT) | SETTING_AT(SERVE) | SETTING_FILE, .value = "ADDRESS:PORT",              \
        .help = "where it listens; port 0 is chosen by init and kept",                                       \
        .otherwise = "127.0.0.1 and the port of the URL"                                                     \
    }
#define PORT_FILE_ROW                                                                                        \
    {                                                                                                        \
        .name = "port-file", .kind = SETTING_PATH, .places = SETTING_AT(SERVE), .value = "FILE",             \
        .help = "write the port there when it listens"                                                       \
    }
#define LOG_ROW(command_)                                                                                    \
    {                                                                                                        \
        .name = "log", .kind = SETTING_LOG, .places = SETTING_AT(command_) | SETTING_FILE, .value = "WHERE", \
        .help = "where events go: stderr, journal, json or json:FILE",                                       \
        .otherwise = "the journal where standard error goes there, else standard error"                      \
    }
#define COMMON_ROWS                                                                                          \
    {.name = "help", .kind = SETTING_FLAG, .places = SETTING_EVERYWHERE, .help = "print this help"},         \
    {                                                                                                        \
        .name = "version", .kind = SETTING_FLAG, .places = SETTING_EVERYWHERE,                               \
        .help = "print version, commit, compiler and DuckDB version"                                         \
    }
#define NUMBER_ROW(name_, min_, max_, otherwise_, help_)                                                     \
    {                                                                                                        \
        .name = (name_), .kind = SETTING_NUMBER, .places = SETTING_AT(SERVE) | SETTING_FILE, .value = "N",   \
        .help = (help_), .min = (min_), .max = (max_), .otherwise = (otherwise_)                             \
    }

/* ---- truce-host ---- */

static const struct setting_command host_commands[] = {
    {"init", "DIR",
     "Makes keys, certificate, token and configuration in DIR (mode 700), and host.json to hand out to "
     "every\n"
     "party. Without a port in the URL it gets that of --listen."},
    {"connect", "DIR FILE...",
     "Lets the courier speak to the vault of a courier.json or to the service of an authority.json, and to\n"
     "nobody else. A running host finds new files by itself; a changed one counts from the next start."},
    {"serve", "DIR",
     "Serves the API until SIGINT or SIGTERM; rooms connect to DIR/room.sock. Prints one line `listening "
     "URL`\n"
     "when it is ready."},
    {"check", "DIR",
     "With no host running: judges the queue, every job against its objects, every document against its "
     "name\n"
     "and every part against its manifest, and says what it found."},
    {0},
};

static const struct setting host_settings[] = {
    FOLDER_ROW,
    CONFIG_ROW,
    URL_ROW,
    LISTEN_ROW,
    {.name = "courier",
     .kind = SETTING_PATH,
     .places = SETTING_AT(INIT) | SETTING_AT(SERVE),
     .value = "FILE",
     .help = "connect this courier.json first"},
    {.name = "authority",
     .kind = SETTING_PATH,
     .places = SETTING_AT(INIT) | SETTING_AT(SERVE),
     .value = "FILE",
     .help = "connect this authority.json first"},
    PORT_FILE_ROW,
    LOG_ROW(SERVE),
    {.name = "room-socket",
     .kind = SETTING_PATH,
     .places = SETTING_AT(SERVE) | SETTING_FILE,
     .value = "PATH",
     .help = "the Unix socket for rooms, open to the host's user and group",
     .otherwise = "DIR/room.sock, user only"},
    {.name = "trace",
     .kind = SETTING_PATH,
     .places = SETTING_AT(SERVE) | SETTING_FILE,
     .value = "FILE",
     .help = "append one line per frame that crosses between host and room"},
    NUMBER_ROW("storage-bytes-max", 1, INT64_MAX, "1099511627776", "octets that parties may store"),
    NUMBER_ROW("open-jobs-max", 0, INT32_MAX, "1000", "jobs that wait or run; more are refused"),
    NUMBER_ROW("attempts-max", 1, INT32_MAX, "3", "rooms that a job is given to, one after the other"),
    NUMBER_ROW("lease-ms", 4000, INT32_MAX, "20000", "a room that is silent for so long has lost its job"),
    NUMBER_ROW("job-extra-ms", 0, INT32_MAX, "3600000", "time of a job beside that of its query"),
    NUMBER_ROW("room-patience-ms", 1, INT32_MAX, "60000", "how long a frame to or from a room may take"),
    NUMBER_ROW("courier-attempts-max", 1, INT32_MAX, "4", "attempts of a call to a vault or an authority"),
    NUMBER_ROW("courier-pause-ms", 0, INT32_MAX, "250", "pause before the second attempt; it doubles"),
    NUMBER_ROW("courier-timeout-ms", 1, INT32_MAX, "30000", "how long one call may take"),
    COMMON_ROWS,
    {0},
};

const struct setting_program setting_host = {"truce-host",
                                             "workflow, storage and courier for rooms; trusted with nothing",
                                             host_commands, host_settings};

/* ---- truce-vault ---- */

static const struct setting_command vault_commands[] = {
    {"init", "DIR",
     "Makes keys, certificate, clients and configuration in DIR (mode 700), and two files to hand out:\n"
     "vault.json for the party itself, courier.json for the host's operator (may release, nothing else).\n"
     "Without a port in the URL it gets that of --listen."},
    {"connect", "DIR AUTHORITY.json",
     "Lets tokens of this attestation authority count. A running vault learns of a new authority at once, "
     "of\n"
     "a changed one when it starts again."},
    {"serve", "DIR", "Serves until SIGINT or SIGTERM. Prints one line `listening URL` when it is ready."},
    {"check", "DIR",
     "With no vault running: judges its store, every row, key and record of a release, and says what it "
     "found."},
    {0},
};

static const struct setting vault_settings[] = {
    FOLDER_ROW,
    CONFIG_ROW,
    {.name = "party",
     .kind = SETTING_NAME,
     .places = SETTING_AT(INIT) | SETTING_FILE,
     .value = "NAME",
     .help = "whose vault it is"},
    {.name = "one-release-per-run",
     .kind = SETTING_FLAG,
     .places = SETTING_AT(INIT),
     .help =
         "each run request opens a key to one attempt only; a run whose room is lost after that has to be "
         "asked for again"},
    URL_ROW,
    LISTEN_ROW,
    PORT_FILE_ROW,
    LOG_ROW(SERVE),
    COMMON_ROWS,
    {0},
};

const struct setting_program setting_vault = {"truce-vault", "the key vault and token issuer of one party",
                                              vault_commands, vault_settings};

/* ---- truce-attest ---- */

static const struct setting_command attest_commands[] = {
    {"init", "DIR",
     "Makes keys and certificates in DIR (mode 700), and authority.json, which every party is given."},
    {"serve", "DIR", "Answers until SIGINT or SIGTERM. Prints one line `listening URL` when it is ready."},
    {0},
};
enum { ATTEST_SERVE = 1 };

static const struct setting attest_settings[] = {
    FOLDER_ROW,
    CONFIG_ROW,
    {.name = "url",
     .kind = SETTING_URL,
     .places = SETTING_AT(INIT) | SETTING_AT(ATTEST_SERVE) | SETTING_FILE,
     .value = "URL",
     .help =
         "https://HOST[:PORT] under which others reach it, the issuer of its tokens; settled by init, serve "
         "refuses another"},
    {.name = "listen",
     .kind = SETTING_ADDRESS,
     .places = SETTING_AT(INIT) | SETTING_AT(ATTEST_SERVE) | SETTING_FILE,
     .value = "ADDRESS:PORT",
     .help = "where it listens; port 0 is chosen by init and kept",
     .otherwise = "127.0.0.1 and the port of the URL"},
    {.name = "simulation",
     .kind = SETTING_PATH,
     .places = SETTING_AT(INIT) | SETTING_FILE,
     .value = "FILE",
     .help = "simulation.json of a simulated room whose evidence is accepted",
     .otherwise = "none is",
     .repeated = true},
    {.name = "port-file",
     .kind = SETTING_PATH,
     .places = SETTING_AT(ATTEST_SERVE),
     .value = "FILE",
     .help = "write the port there when it listens"},
    LOG_ROW(ATTEST_SERVE),
    COMMON_ROWS,
    {0},
};

const struct setting_program setting_attest = {
    "truce-attest", "judges hardware evidence and signs tokens about it", attest_commands, attest_settings};

/* ---- truce-room, whose own words these are; its launcher reads the file ---- */

static const struct setting_command room_commands[] = {
    {"init", "DIR", "Makes what a room of this kind needs."},
    {"measure", "", "Prints what this room measures of itself, as JSON."},
    {"serve", "DIR", "Connects to truce-host and runs its jobs."},
    {0},
};

static const struct setting room_settings[] = {
    FOLDER_ROW,
    {.name = "host",
     .kind = SETTING_PATH,
     .places = SETTING_AT(SERVE) | SETTING_FILE,
     .value = "SOCKET",
     .help = "the Unix socket of truce-host",
     .required = true},
    NUMBER_ROW("threads", 1, 16, "all cores", "threads of the engine and of decryption"),
    NUMBER_ROW("ciphertext-mb", 1, 1024 * 1024, "4096", "granted ciphertext of one job in memory"),
    NUMBER_ROW("engine-memory-mb", 1, 1024 * 1024, "4096", "no query gets more"),
    NUMBER_ROW("keep-ciphertext", 1, 1, "not kept",
               "1: of one job for the next, so that the same data is not pulled again"),
    {.name = "query",
     .kind = SETTING_PATH,
     .places = SETTING_AT(MEASURE) | SETTING_AT(SERVE) | SETTING_FILE,
     .value = "PATH",
     .help = "the query program",
     .otherwise = "truce-query beside this program"},
    COMMON_ROWS,
    {0},
};

const struct setting_program setting_room = {"truce-room", "the measured program that answers questions",
                                             room_commands, room_settings};

const struct setting_program *const setting_programs[] = {&setting_host, &setting_vault, &setting_attest,
                                                          &setting_room, NULL};
