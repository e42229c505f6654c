/* The guide for porting Truce to another TEE: copy this file, and then
 *
 *   1. `open`: open the device (configfs-tsm, /dev/sev-guest, Gramine's /dev/attestation …) and keep its
 * descriptor; the room closes everything else and forbids `open` afterwards. Refuse UNSUPPORTED on another
 * machine.
 *   2. `collect`: ask for a report over the 64 octets; put the certificates from chip to root beside it, in
 * DER. What the host hands out (certificates, collateral) is untrusted and only carried.
 *   3. `measurement`: the launch measurement from a report over zeros.
 *   4. `close`.
 *   5. Add the family's judge: src/tcb/attest/FAMILY.c and its row in judge.c; what identifies code in
 *      release_policy_build.c; a row in formats §2. Collecting and judging are apart: test the judge on
 * recorded evidence first.
 *   6. In meson.build a library tee_FAMILY, and a program truce-room-FAMILY that links it and no other.
 *
 * As it stands it answers UNSUPPORTED. */
#include "tee/tee.h"

static fallible skeleton_open(const struct tee_place *place, struct tee *out)
{
    (void)place;
    (void)out;
    return FAIL(UNSUPPORTED, "tee.skeleton");
}

static fallible skeleton_collect(struct tee *tee, struct arena *arena,
                                 const uint8_t report_data[static TEE_REPORT_DATA_BYTES],
                                 struct evidence *out)
{
    (void)tee;
    (void)arena;
    (void)report_data;
    (void)out;
    return FAIL(UNSUPPORTED, "tee.skeleton");
}

static struct bytes skeleton_measurement(const struct tee *tee)
{
    (void)tee;
    return (struct bytes){0};
}

static void skeleton_close(struct tee *tee)
{
    (void)tee;
}

const struct tee_family tee_skeleton = {"skeleton", skeleton_open, skeleton_collect, skeleton_measurement,
                                        skeleton_close};
