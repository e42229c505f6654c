/* tee/sim_chip.h: what stands for the hardware in a simulation: it signs reports in the layout of SEV-SNP
 * with a chip key from a file, and names the measurement that it is given.
 *
 * Part of the program truce-sim-chip, a process of its own beside the room, as a chip is beside what runs on
 * it. It protects nothing; it lets everything around a TEE run and be tested. One thread. */
#pragma once

#include "crypto/key.h"
#include "tee/tee.h"

struct sim_chip {
    struct key key;
    struct buffer certificates[2]; /* chip, root */
    uint8_t measurement[TEE_MEASUREMENT_BYTES];
};

/* Reads the files of `folder` (tee/sim_files.h). */
fallible sim_chip_open(const char *folder, struct bytes measurement, struct sim_chip *out);
void sim_chip_release(struct sim_chip *chip);
#define scoped_sim_chip defer(sim_chip_release) struct sim_chip

fallible sim_chip_collect(const struct sim_chip *chip, struct arena *arena,
                          const uint8_t report_data[static TEE_REPORT_DATA_BYTES], struct evidence *out);
