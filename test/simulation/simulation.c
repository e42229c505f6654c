/* The simulation's program (doc/testing.md): a room, vaults, attestation, parties and a hostile host in one
 * process.
 *
 *   simulation [--seeds N] [--from N]      that many runs; a failing one prints its seed and its last steps
 *   simulation --seed N [--trace]          one run, twice, which must be equal step by step
 *   simulation --mutations                 every broken guarantee must be found */
#include "chance.h"
#include "crypto/library.h"
#include "game.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { MUTATION_SEEDS_MAX = 60 };

static bool report(uint64_t seed, const struct game_outcome *outcome)
{
    if (!outcome->holds) {
        printf("not ok seed %" PRIu64 ": %s; again: simulation --seed %" PRIu64 " --trace\n", seed,
               outcome->broken, seed);
    }
    return outcome->holds;
}

static int play_seeds(struct setting *setting, uint64_t from, uint64_t count)
{
    struct game_outcome sum = {0};
    int failed = 0;
    for (uint64_t seed = from; seed < from + count; seed++) {
        struct game_outcome outcome;
        game_play(setting, seed, MUTATION_NONE, false, &outcome);
        failed += !report(seed, &outcome);
        sum.steps += outcome.steps;
        sum.runs += outcome.runs;
        sum.executions += outcome.executions;
        sum.opened += outcome.opened;
        sum.refused_releases += outcome.refused_releases;
    }
    bool has_played = sum.executions > 0 && sum.opened > 0 && sum.refused_releases > 0;
    printf("# %" PRIu64
           " seeds: %zu steps, %zu jobs, %zu executions, %zu results opened, %zu releases refused\n",
           count, sum.steps, sum.runs, sum.executions, sum.opened, sum.refused_releases);
    printf("%s 1 - %" PRIu64 " seeds from %" PRIu64 "\n", failed == 0 && has_played ? "ok" : "not ok", count,
           from);
    return failed;
}

/* Two runs in one process: nothing but the seed may decide. */
static bool play_twice(struct setting *setting, uint64_t seed, bool print)
{
    struct game_outcome first;
    struct game_outcome second;
    game_play(setting, seed, MUTATION_NONE, print, &first);
    game_play(setting, seed, MUTATION_NONE, print, &second);
    bool holds = report(seed, &first);
    printf("# seed %" PRIu64 ": trace %016" PRIx64 " and %016" PRIx64 "\n", seed, first.trace, second.trace);
    return holds && first.trace == second.trace;
}

static bool find_mutation(struct setting *setting, enum mutation mutation)
{
    for (uint64_t seed = 1; seed <= MUTATION_SEEDS_MAX; seed++) {
        struct game_outcome outcome;
        game_play(setting, seed, mutation, false, &outcome);
        if (!outcome.holds) {
            printf("# %s is found by seed %" PRIu64 ": %s\n", mutation_names[mutation], seed, outcome.broken);
            return true;
        }
    }
    return false;
}

static int find_mutations(struct setting *setting)
{
    int missed = 0;
    for (enum mutation mutation = 1; mutation < MUTATIONS; mutation++) {
        bool found = find_mutation(setting, mutation);
        printf("%s %d - without a guarantee: %s\n", found ? "ok" : "not ok", mutation,
               mutation_names[mutation]);
        missed += !found;
    }
    printf("1..%d\n", MUTATIONS - 1);
    return missed;
}

int main(int count, char **arguments)
{
    static const struct option known[] = {
        {"seeds", required_argument, NULL, 'n'}, {"from", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},  {"trace", no_argument, NULL, 't'},
        {"mutations", no_argument, NULL, 'm'},   {0}};
    uint64_t seeds = 100, from = 1, seed = 0;
    bool print = false, mutations = false;
    int option;
    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        uint64_t number = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;
        seeds = option == 'n' ? number : seeds;
        from = option == 'f' ? number : from;
        seed = option == 's' ? number : seed;
        print |= option == 't';
        mutations |= option == 'm';
        if (option == '?') {
            return 2;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    crypto_library_start();
    chance_install();
    struct chance chance = chance_of(0, 0);
    chance_use(&chance);
    static struct setting setting;
    setting_make(&setting);
    int failed;
    if (mutations) {
        failed = find_mutations(&setting);
    } else if (seed > 0) {
        bool equal = play_twice(&setting, seed, print);
        printf("%s 1 - the same seed gives the same steps\n1..1\n", equal ? "ok" : "not ok");
        failed = !equal;
    } else {
        failed = play_seeds(&setting, from, seeds);
        printf("1..1\n");
    }
    setting_release(&setting);
    return failed > 0;
}
