/* What a room says when it connects. Includes link.c for its static function. */
#include "host/room_link/link.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct link_identity identity = {0};
    if (result_is_ok(read_identity((struct bytes){data, size}, &identity))) {
        ASSERT(identity.ready != NULL && strlen(identity.tee) < sizeof identity.tee);
        ASSERT(strlen(identity.instance) < sizeof identity.instance);
        json_release(&identity.ready);
    }
    return 0;
}
