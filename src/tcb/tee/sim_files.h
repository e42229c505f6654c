/* tee/sim_files.h: the files of a simulated TEE in the room's directory. */
#pragma once

#define SIMULATION_CHIP_KEY "chip.key" /* PKCS#8 DER, mode 600 */
#define SIMULATION_CHIP_DER "chip.der"
#define SIMULATION_ROOT_DER "root.der"
