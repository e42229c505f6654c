/* party/draft/draft.h: a specification becomes a contract that parties can sign.
 *
 * Names become keys from the address book, files become digests of signed manifests and policies, queries
 * become canonical texts with their grants as the vetter derives them. What comes out is checked by the same
 * code that judges contracts later; nothing is signed here. */
#pragma once

#include "base/world.h"
#include "party/draft/specification.h"
#include "party/draft/vetter.h"
#include "party/home/address_book.h"
#include "party/home/connection.h"

struct draft_sources {
    const struct world *world;
    const struct address_book *book;
    const struct connection_authority
        *authority; /* of owners that the specification gives none; may be NULL */
    const struct connection_simulation *simulation; /* where the specification names no TEE; may be NULL */
    const struct vetter *vetter;
};

/* The canonical payload of the contract, in the arena. NOT_FOUND "draft.party.unknown",
 * "draft.authority.missing", "draft.tee.missing"; DENIED "sql.refused", "draft.column.not_permitted"; `where`
 * is the place in the specification. */
fallible draft_contract(struct arena *arena, const struct specification *specification,
                        const struct draft_sources *sources, struct bytes *out_payload);
